/** The caption, referring and question sources in miniature, laid out as docs/sources.md shows it. */

import { join } from 'node:path';
import { makeCocoCaption } from './coco-caption.ts';
import { makeRefcoco, makeRefcocog, makeRefcocoPlus } from './refer.ts';
import { makeOcrvqa, makeTextcaps } from './text-in-images.ts';
import { makeGqa, makeVisualGenome } from './visual-genome.ts';
import { makeAokvqa, makeOkvqa, makeVqav2 } from './vqa.ts';

/** The folder below `data` in which each source has its root. */
export const TASK_ROOTS: Readonly<Record<string, string>> = {
  'coco-caption': 'coco',
  textcaps: 'textcaps',
  refcoco: 'refer',
  'refcoco+': 'refer',
  refcocog: 'refer',
  'visual-genome': 'visual-genome',
  vqav2: 'vqav2',
  okvqa: 'okvqa',
  aokvqa: 'aokvqa',
  gqa: 'gqa',
  ocrvqa: 'ocrvqa',
};

/** @param data the folder `data` */
export async function makeTaskData(data: string): Promise<void> {
  const coco = join(data, 'coco');
  await makeCocoCaption(coco);
  for (const make of [makeRefcoco, makeRefcocoPlus, makeRefcocog]) await make(join(data, 'refer'), coco);
  await makeVqav2(join(data, 'vqav2'), coco);
  await makeOkvqa(join(data, 'okvqa'), coco);
  await makeAokvqa(join(data, 'aokvqa'), coco);
  await makeVisualGenome(join(data, 'visual-genome'));
  await makeGqa(join(data, 'gqa'));
  await makeOcrvqa(join(data, 'ocrvqa'));
  await makeTextcaps(join(data, 'textcaps'));
}
