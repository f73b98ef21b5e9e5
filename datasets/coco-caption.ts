/**
 * COCO captions: five sentences by people for each photo (Lin et al. 2014; Chen et al. 2015).
 * Annotations CC BY 4.0; each photo keeps its Flickr licence.
 * Reads the official `captions_*.json`, the Karpathy lists of BLIP and LAVIS, and Karpathy's own `dataset_coco.json`.
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { defineRowSource } from '../lib/data/row-source.ts';
import { emptySource } from '../lib/data/source.ts';
import { drawInstruction } from '../lib/data/task.ts';
import { cleanText } from '../lib/data/text-clean.ts';
import { captionRows } from './coco-caption-rows.ts';
import { openCocoImages } from './coco-images.ts';

const NAME = 'coco-caption';

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe('Caption file. Default: the known file of the split under root or root/annotations.'),
  images: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Image folders below root. Default: train2017, val2017, train2014, val2014, test2015, images, root itself.',
    ),
  split: z
    .enum(['train', 'val'])
    .default('train')
    .describe('Which part: chooses the file, and rows of files with several parts.'),
  restval: z
    .boolean()
    .default(false)
    .describe(
      'Whether train takes the rows of a Karpathy list whose photos are of val2014; the original leaves them out.',
    ),
  clean: z
    .boolean()
    .default(true)
    .describe(
      'Whether captions are lower-cased, lose their punctuation and are cut at 50 words, as the original does.',
    ),
});

/** Names under which the caption file of each split is known. */
const KNOWN_FILES = {
  train: ['captions_train2017.json', 'captions_train2014.json', 'coco_karpathy_train.json', 'dataset_coco.json'],
  val: ['captions_val2017.json', 'captions_val2014.json', 'coco_karpathy_val.json', 'dataset_coco.json'],
} as const;

/** One sample for each caption. */
export const cocoCaption = defineRowSource({
  name: NAME,
  summary: 'COCO captions: five sentences by people for each photo.',
  kind: 'task',
  tasks: ['caption'],
  options,
  indexOptions: ['annotations', 'images', 'split', 'restval'],
  inputs: async ({ root, annotations, split }) => [annotations ?? (await findAnnotations(root, split))],
  async *rows({ root, annotations, images: folders, split, restval }, scan) {
    const path = annotations ?? (await findAnnotations(root, split));
    const images = await openCocoImages(root, folders);
    for await (const { id, caption, fileName, imageId } of captionRows(path, { split, restval })) {
      const file = images.find(fileName, imageId);
      if (file === undefined) scan.reject('missing image', fileName ?? String(imageId));
      else yield { id, image: { file }, record: caption };
    }
  },
  sample: ({ record: caption }, { options: { clean }, pick }) => ({
    turns: [{ question: drawInstruction('caption', '', pick), answer: clean ? cleanText(caption) : caption.trim() }],
  }),
});

async function findAnnotations(root: string, split: 'train' | 'val'): Promise<string> {
  for (const folder of [join(root, 'annotations'), root]) {
    const names = new Set(await readdir(folder).catch(() => []));
    const known = KNOWN_FILES[split].find((name) => names.has(name));
    if (known !== undefined) return join(folder, known);
  }
  throw emptySource(NAME, {
    where: root,
    found: 'no caption file',
    expected: `one of ${KNOWN_FILES[split].join(', ')} in this folder or its annotations folder`,
  });
}
