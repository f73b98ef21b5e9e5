/** The three published forms of COCO captions as one stream of rows. */

import { TristageError } from '../lib/core/errors.ts';
import { jsonArrayItems, jsonKeys } from '../lib/formats/json-stream.ts';
import { cocoIdOf } from './coco-images.ts';

/** One caption of one photo. */
export interface CaptionRow {
  id: string;
  /** Absent where the annotations have no list of images. */
  fileName: string | undefined;
  imageId: number | undefined;
  caption: string;
}

export interface RowOptions {
  split: 'train' | 'val';
  restval: boolean;
}

type Json = Record<string, unknown>;

/**
 * Rows of a caption file, in file order.
 * @throws TristageError E_SOURCE for another shape, naming the first row that does not fit; E_JSON for damage
 */
export async function* captionRows(path: string, options: RowOptions): AsyncIterable<CaptionRow> {
  const keys = await jsonKeys(path);
  if (keys === undefined) yield* listRows(path, options);
  else if (keys.includes('annotations')) yield* officialRows(path, keys.includes('images'));
  else if (keys.includes('images')) yield* karpathyRows(path, options);
  else throw malformed(path, `an object with ${keys.join(', ') || 'nothing'}`, 'COCO captions');
}

/** `{id, image_id, caption}` with file names in a list of images. */
async function* officialRows(path: string, listed: boolean): AsyncIterable<CaptionRow> {
  const names = new Map<unknown, unknown>();
  if (listed) {
    for await (const image of jsonArrayItems(path, { key: 'images' })) {
      if (isObject(image)) names.set(image['id'], image['file_name']);
    }
  }
  let place = 0;
  for await (const row of jsonArrayItems(path, { key: 'annotations' })) {
    if (!(isObject(row) && Number.isSafeInteger(row['image_id']) && typeof row['caption'] === 'string')) {
      throw malformed(path, `annotation ${place}: ${excerpt(row)}`, 'id, image_id and caption');
    }
    const fileName = names.get(row['image_id']);
    yield {
      id: String(row['id'] ?? place),
      fileName: typeof fileName === 'string' ? fileName : undefined,
      imageId: row['image_id'] as number,
      caption: row['caption'],
    };
    place += 1;
  }
}

/** `{caption, image, image_id}`; in lists for evaluation `caption` holds all sentences. */
async function* listRows(path: string, { split, restval }: RowOptions): AsyncIterable<CaptionRow> {
  let place = -1;
  for await (const row of jsonArrayItems(path)) {
    place += 1;
    const captions = isObject(row) ? [row['caption']].flat() : [];
    const image = isObject(row) ? row['image'] : undefined;
    if (typeof image !== 'string' || captions.length === 0 || captions.some((caption) => typeof caption !== 'string')) {
      throw malformed(path, `row ${place}: ${excerpt(row)}`, 'caption and image');
    }
    if (split === 'train' && !restval && !image.includes('train')) continue;
    for (const [sentence, caption] of captions.entries()) {
      yield {
        id: captions.length === 1 ? String(place) : `${place}-${sentence}`,
        fileName: image,
        imageId: cocoIdOf(image),
        caption: caption as string,
      };
    }
  }
}

/** Karpathy's own file: `{filename, cocoid, split, sentences: [{raw, sentid}]}` for each photo. */
async function* karpathyRows(path: string, { split, restval }: RowOptions): AsyncIterable<CaptionRow> {
  const wanted = split === 'train' && restval ? ['train', 'restval'] : [split as string];
  let place = -1;
  for await (const row of jsonArrayItems(path, { key: 'images' })) {
    place += 1;
    if (!(isObject(row) && typeof row['filename'] === 'string' && Array.isArray(row['sentences']))) {
      throw malformed(path, `image ${place}: ${excerpt(row)}`, 'filename, split and sentences');
    }
    if (!wanted.includes(String(row['split']))) continue;
    const { filename, cocoid } = row;
    for (const [index, sentence] of row['sentences'].entries()) {
      if (!(isObject(sentence) && typeof sentence['raw'] === 'string')) {
        throw malformed(path, `sentence ${index} of image ${place}: ${excerpt(sentence)}`, 'raw');
      }
      yield {
        id: String(sentence['sentid'] ?? `${place}-${index}`),
        fileName: filename as string,
        imageId: typeof cocoid === 'number' ? cocoid : cocoIdOf(filename as string),
        caption: sentence['raw'],
      };
    }
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function excerpt(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 120);
}

function malformed(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: 'a caption file has another shape',
    where,
    found,
    expected,
    fix: 'use a published caption file, or name another with `annotations`',
  });
}
