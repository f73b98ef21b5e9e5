/**
 * TextCaps (Sidorov et al. 2020, "TextCaps: a Dataset for Image Captioning with Reading Comprehension"; CC BY 4.0): captions that
 * read the text in a photo. The photos are those of TextVQA, from OpenImages v3, each under its own licence.
 */

import { z } from 'zod';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { drawInstruction } from '../lib/data/task.ts';
import { ruledText, textRuleOption } from '../lib/data/text-rule.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { annotationFile, annotationsOption, malformedRow, recordOf } from './annotation-files.ts';
import { imageOptions, openImageFolders, photosOf } from './image-folders.ts';

const NAME = 'textcaps';
const FOLDERS = ['train_images', 'train_val_images/train_images', 'images', '.'];

const options = z.object({
  split: z.enum(['train', 'val']).default('train').describe('Which part.'),
  ...annotationsOption('TextCaps_0.1_SPLIT.json'),
  ...imageOptions('train_images, train_val_images/train_images, images below root, root itself'),
  // The captions quote what stands in the photo; without their marks, prices, times and addresses would be misread.
  text: textRuleOption('captions', 'keep-numbers'),
});

type Options = z.output<typeof options> & SourceRoot;

/** One row for each caption. */
export const textcaps = defineRowSource({
  name: NAME,
  aliases: { textcaps_caption: {} },
  summary: 'TextCaps: captions that read the text in a photo.',
  kind: 'task',
  tasks: ['caption'],
  options,
  indexOptions: ['split', 'annotations', 'images', 'missing'],
  inputs: async (chosen) => [await fileOf(chosen)],
  rows,
  sample: ({ record }: { record: string }, { options: { text }, pick }) => ({
    turns: [{ question: drawInstruction('caption', '', pick), answer: ruledText(record, text) }],
  }),
});

function fileOf({ root, split, annotations }: Options): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: [`TextCaps_0.1_${split}.json`] });
}

async function* rows(chosen: Options, scan: RowScan): AsyncIterable<SourceRow<string>> {
  const { root, images, missing } = chosen;
  const path = await fileOf(chosen);
  const photos = photosOf({
    source: NAME,
    root,
    folders: await openImageFolders(root, images ?? FOLDERS),
    missing,
    scan,
  });
  for await (const item of jsonArrayItems(path, { key: 'data' })) {
    const { image_id: imageId, caption_id: id, caption_str: caption } = recordOf(item) ?? {};
    if (!(typeof imageId === 'string' && typeof id === 'number' && typeof caption === 'string')) {
      throw malformedRow(path, { found: item, expected: 'image_id, caption_id and caption_str' });
    }
    const where = `caption ${id}`;
    if (caption.trim() === '') scan.reject('no caption', where);
    else {
      const image = photos.take({ names: [`${imageId}.jpg`], where });
      if (image !== undefined) yield { id: String(id), image, record: caption };
    }
  }
  photos.check();
}
