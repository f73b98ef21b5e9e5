/** The folder that configs/examples/photos.yaml reads, with generated photos: captions, refs and questions in their published layouts. */

import { cp, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCocoCaption } from '../data/make/coco-caption.ts';
import { makeCocoPhotos } from '../data/make/coco-photos.ts';
import { makeRefcoco, makeRefcocog, makeRefcocoPlus } from '../data/make/refer.ts';
import { makeVqav2 } from '../data/make/vqa.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** @returns what TRISTAGE_SAMPLE_DIR should be */
export async function generatedPhotos(): Promise<string> {
  const folder = temporaryFolder('tristage-photos-');
  const unused = join(folder, 'unused');
  await makeCocoCaption(join(folder, 'coco'));
  await mkdir(join(folder, 'coco-extra/images'), { recursive: true });
  await makeCocoPhotos(unused, 2017);
  for (const split of ['train2017', 'val2017']) {
    await cp(join(unused, split), join(folder, 'coco-extra/images'), { recursive: true });
  }
  for (const make of [makeRefcoco, makeRefcocoPlus, makeRefcocog]) await make(join(folder, 'refer'), unused);
  await makeVqav2(join(folder, 'vqa'), unused);
  const names = {
    'v2_OpenEnded_mscoco_train2014_questions.json': 'v2_questions_sample.json',
    'v2_mscoco_train2014_annotations.json': 'v2_annotations_sample.json',
  };
  for (const [from, to] of Object.entries(names)) await rename(join(folder, 'vqa', from), join(folder, 'vqa', to));
  return folder;
}
