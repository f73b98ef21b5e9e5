/**
 * COCO captions: five sentences by people for each photo (Lin et al. 2014; Chen et al. 2015).
 * Annotations CC BY 4.0; each photo keeps its Flickr licence.
 * Reads the official `captions_*.json`, the Karpathy lists of BLIP and LAVIS, and Karpathy's own `dataset_coco.json`.
 */

import { z } from 'zod';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { drawInstruction } from '../lib/data/task.ts';
import { ruledText, textRuleOption } from '../lib/data/text-rule.ts';
import { annotationFile } from './annotation-files.ts';
import { captionRows } from './coco-caption-rows.ts';
import { cocoNames, openCocoFolders, USUAL_COCO_FOLDERS } from './coco-images.ts';
import { excludeFiles, excludeOption, readExcluded } from './excluded-images.ts';
import { imageOptions, photosOf } from './image-folders.ts';

const NAME = 'coco-caption';

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Caption file, relative to root or to the current directory. Default: the known file of the split in annotations or root.',
    )
    .meta({ path: true }),
  ...imageOptions(USUAL_COCO_FOLDERS),
  exclude: excludeOption,
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
  text: textRuleOption('captions', 'reference'),
});

type Options = z.output<typeof options> & SourceRoot;

/** Names under which the caption file of each split is known. */
const KNOWN_FILES = {
  train: ['captions_train2017.json', 'captions_train2014.json', 'coco_karpathy_train.json', 'dataset_coco.json'],
  val: ['captions_val2017.json', 'captions_val2014.json', 'coco_karpathy_val.json', 'dataset_coco.json'],
} as const;

/** One sample for each caption. */
export const cocoCaption = defineRowSource({
  name: NAME,
  aliases: { coco_caption: {} },
  summary: 'COCO captions: five sentences by people for each photo.',
  kind: 'task',
  tasks: ['caption'],
  options,
  indexOptions: ['annotations', 'images', 'missing', 'exclude', 'split', 'restval'],
  inputs: async (chosen) => [await fileOf(chosen), ...excludeFiles(chosen.root, chosen.exclude)],
  rows,
  sample: ({ record }: { record: string }, { options: { text }, pick }) => ({
    turns: [{ question: drawInstruction('caption', '', pick), answer: ruledText(record, text) }],
  }),
});

function fileOf({ root, annotations, split }: Options): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: KNOWN_FILES[split] });
}

async function* rows(chosen: Options, scan: RowScan): AsyncIterable<SourceRow<string>> {
  const { root, images, missing, exclude, split, restval } = chosen;
  const path = await fileOf(chosen);
  const folders = await openCocoFolders(root, images);
  const photos = photosOf({ source: NAME, root, folders, missing, excluded: await readExcluded(root, exclude), scan });
  for await (const { id, caption, fileName, imageId } of captionRows(path, { split, restval })) {
    const where = `caption ${id}`;
    if (caption.trim() === '') scan.reject('no caption', where);
    else {
      const image = photos.take({ names: cocoNames(fileName, imageId), cocoId: imageId, where });
      if (image !== undefined) yield { id, image, record: caption };
    }
  }
  photos.check();
}
