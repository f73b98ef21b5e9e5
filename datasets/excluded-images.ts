/** Images that must not be trained on, such as those of RefCOCO's val and test splits, which captions and questions also use. */

import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { TristageError } from '../lib/core/errors.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { firstByte } from './annotation-files.ts';
import { cocoIdOf } from './coco-images.ts';
import type { ExcludedImages } from './image-folders.ts';
import { readRefs } from './refer-refs.ts';

/** The option of a source over COCO's images. */
export const excludeOption = z
  .array(z.string().min(1).meta({ path: true }))
  .optional()
  .describe(
    'Lists of images that are left out, relative to root or absolute: text with a COCO id or file name a line, a JSON array of them or of records with image_id or img_id, or REFER’s refs, of which the splits other than train count.',
  )
  .meta({ path: true });

/** The absolute paths of the lists. */
export function excludeFiles(root: string, lists: readonly string[] = []): string[] {
  return lists.map((list) => resolve(root, list));
}

/**
 * Reads the lists.
 * @throws TristageError of kind `data` for a list that cannot be read or names no image
 */
export async function readExcluded(root: string, lists: readonly string[] | undefined): Promise<ExcludedImages> {
  const ids = new Set<number>();
  const names = new Set<string>();
  for (const path of excludeFiles(root, lists)) {
    let named = 0;
    for await (const image of imagesOf(path)) {
      named += 1;
      const id = typeof image === 'number' ? image : cocoName(image);
      if (id !== undefined) ids.add(id);
      else names.add(stem(String(image)));
    }
    if (named === 0) throw emptyList(path);
  }
  return {
    has: (candidates, cocoId) =>
      (cocoId !== undefined && ids.has(cocoId)) || candidates.some((name) => names.has(stem(name))),
  };
}

/** The id in `123`, `000000000123.jpg` or `COCO_train2014_000000000123_4`; undefined for names of other sets. */
function cocoName(text: string): number | undefined {
  const match = /^(?:COCO_[a-z]+\d{4}_)?(\d{12})(?:_\d+)?$/.exec(stem(text));
  if (match !== null) return Number(match[1]);
  return /^\d{1,11}$/.test(text) ? cocoIdOf(text) : undefined;
}

function stem(name: string): string {
  return basename(name).replace(/\.[A-Za-z]{3,4}$/, '');
}

async function* imagesOf(path: string): AsyncIterable<string | number> {
  if (path.endsWith('.p')) yield* heldOutImages(path);
  else if ((await firstByte(path)) === '[') yield* jsonImages(path);
  else {
    const text = await readFile(path, 'utf8');
    for (const line of text.split(/\r?\n/)) if (line.trim() !== '') yield line.trim();
  }
}

async function* heldOutImages(path: string): AsyncIterable<number> {
  for await (const { split, imageId } of readRefs(path)) if (split !== 'train') yield imageId;
}

async function* jsonImages(path: string): AsyncIterable<string | number> {
  for await (const item of jsonArrayItems(path)) {
    if (typeof item === 'number' || typeof item === 'string') yield item;
    else if (typeof item === 'object' && item !== null) {
      const { split, img_id: suffixed, image_id: id, image } = item as Record<string, unknown>;
      const named = suffixed ?? id ?? image;
      if (split !== 'train' && (typeof named === 'number' || typeof named === 'string')) yield named;
    }
  }
}

function emptyList(path: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: 'a list of excluded images names none',
    where: path,
    found: 'no id and no file name',
    expected: 'COCO ids or file names, one a line or as a JSON array, or REFER’s refs with splits other than train',
  });
}
