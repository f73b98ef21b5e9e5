/**
 * COCO captions: five sentences by people for each photo (Lin et al. 2014; Chen et al. 2015).
 * Annotations CC BY 4.0; each photo keeps its Flickr licence.
 * Reads the official `captions_*.json`, the Karpathy lists of BLIP and LAVIS, and Karpathy's own `dataset_coco.json`.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TristageError } from '../lib/core/errors.ts';
import { sha256 } from '../lib/core/hash.ts';
import type { Sample } from '../lib/data/sample.ts';
import { defineSource, emptySource, type OpenSource } from '../lib/data/source.ts';
import { drawInstruction } from '../lib/data/task.ts';
import { cleanText } from '../lib/data/text-clean.ts';
import { type CaptionRow, captionRows } from './coco-caption-rows.ts';
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

/** Most names that a note spells out. */
const NAMED = 3;

/** One sample for each caption. */
export const cocoCaption = defineSource({
  name: NAME,
  summary: 'COCO captions: five sentences by people for each photo.',
  kind: 'task',
  tasks: ['caption'],
  options,
  async open({ root, annotations, images: folders, split, restval, clean }): Promise<OpenSource> {
    const path = annotations ?? (await findAnnotations(root, split));
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw unreadable(path, String((cause as NodeJS.ErrnoException).code ?? cause), cause);
    });
    const all = captionRows(parseJson(bytes, path), { path, split, restval });
    const images = await openCocoImages(root, folders);
    const rows: (CaptionRow & { imagePath: string })[] = [];
    const missing = new Set<string>();
    for (const row of all) {
      const imagePath = images.find(row.fileName, row.imageId);
      if (imagePath === undefined) missing.add(row.fileName ?? String(row.imageId));
      else rows.push({ ...row, imagePath });
    }
    const notes = missingNotes({ rows: all.length - rows.length, of: all.length, names: [...missing] });
    if (rows.length === 0) {
      const found = images.folders.map((folder) => `${folder.files} images in ${folder.path}`).join(', ');
      throw emptySource(NAME, {
        where: path,
        found: `${all.length} captions; ${found === '' ? `no image folder below ${root}` : found}`,
        expected: `photos in ${(folders ?? ['train2017', 'val2017', 'train2014', 'val2014', 'images']).join(', ')} below ${root}`,
        notes,
      });
    }
    return {
      name: NAME,
      length: rows.length,
      fingerprint: sha256([sha256(bytes), split, restval, clean, ...missing].join('\n')),
      notes,
      get: async (index, pick) =>
        sampleOf(rows[index], { index, instruction: drawInstruction('caption', '', pick), clean }),
    };
  },
});

function sampleOf(
  row: (CaptionRow & { imagePath: string }) | undefined,
  { index, instruction, clean }: { index: number; instruction: string; clean: boolean },
): Sample {
  if (row === undefined) throw new RangeError(`${NAME} has no row ${index}`);
  const answer = clean ? cleanText(row.caption) : row.caption.trim();
  return {
    id: row.id,
    source: NAME,
    task: 'caption',
    image: { path: row.imagePath },
    turns: [{ question: instruction, answer }],
  };
}

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

function missingNotes({ rows, of, names }: { rows: number; of: number; names: string[] }): string[] {
  if (rows === 0) return [];
  const shown = names.slice(0, NAMED).join(', ');
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return [`${rows} of ${of} captions left out because their image is missing: ${shown}${more}`];
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (cause) {
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unreadable(path: string, found: string, cause: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: `source ${NAME} cannot read its captions`,
    where: path,
    found,
    expected: 'a JSON file of captions',
    fix: 'check root and annotations of the source in the config',
    cause,
  });
}
