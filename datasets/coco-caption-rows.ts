/** The three published forms of COCO captions as one list of rows. */

import { TristageError } from '../lib/core/errors.ts';
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
  /** File, for errors. */
  path: string;
  split: 'train' | 'val';
  restval: boolean;
}

type Json = Record<string, unknown>;

/**
 * Rows of a parsed caption file, in file order.
 * @throws TristageError E_SOURCE for another shape, naming the first row that does not fit
 */
export function captionRows(json: unknown, options: RowOptions): CaptionRow[] {
  if (Array.isArray(json)) return json.flatMap((row, place) => listRows(row, place, options));
  if (isObject(json) && Array.isArray(json['annotations'])) {
    const names = new Map(
      (Array.isArray(json['images']) ? json['images'] : [])
        .filter(isObject)
        .map((image) => [image['id'], image['file_name']]),
    );
    return json['annotations'].map((row, place) => officialRow(row, { place, names, path: options.path }));
  }
  if (isObject(json) && Array.isArray(json['images'])) {
    return json['images'].flatMap((row, place) => karpathyRows(row, place, options));
  }
  throw malformed(options.path, 'neither a list nor an object with annotations or images', 'COCO captions');
}

/** `{id, image_id, caption}` with file names in a list of images. */
function officialRow(
  row: unknown,
  { place, names, path }: { place: number; names: ReadonlyMap<unknown, unknown>; path: string },
): CaptionRow {
  if (!(isObject(row) && Number.isSafeInteger(row['image_id']) && typeof row['caption'] === 'string')) {
    throw malformed(path, `annotation ${place}: ${excerpt(row)}`, 'id, image_id and caption');
  }
  const fileName = names.get(row['image_id']);
  return {
    id: String(row['id'] ?? place),
    fileName: typeof fileName === 'string' ? fileName : undefined,
    imageId: row['image_id'] as number,
    caption: row['caption'],
  };
}

/** `{caption, image, image_id}`; in lists for evaluation `caption` holds all sentences. */
function listRows(row: unknown, place: number, { path, split, restval }: RowOptions): CaptionRow[] {
  const captions = isObject(row) ? [row['caption']].flat() : [];
  const image = isObject(row) ? row['image'] : undefined;
  if (typeof image !== 'string' || captions.length === 0 || captions.some((caption) => typeof caption !== 'string')) {
    throw malformed(path, `row ${place}: ${excerpt(row)}`, 'caption and image');
  }
  if (split === 'train' && !restval && !image.includes('train')) return [];
  return captions.map((caption, sentence) => ({
    id: captions.length === 1 ? String(place) : `${place}-${sentence}`,
    fileName: image,
    imageId: cocoIdOf(image),
    caption: caption as string,
  }));
}

/** Karpathy's own file: `{filename, cocoid, split, sentences: [{raw, sentid}]}` for each photo. */
function karpathyRows(row: unknown, place: number, { path, split, restval }: RowOptions): CaptionRow[] {
  if (!(isObject(row) && typeof row['filename'] === 'string' && Array.isArray(row['sentences']))) {
    throw malformed(path, `image ${place}: ${excerpt(row)}`, 'filename, split and sentences');
  }
  const wanted = split === 'train' && restval ? ['train', 'restval'] : [split as string];
  if (!wanted.includes(String(row['split']))) return [];
  const { filename, cocoid } = row;
  return row['sentences'].map((sentence, index) => {
    if (!(isObject(sentence) && typeof sentence['raw'] === 'string')) {
      throw malformed(path, `sentence ${index} of image ${place}: ${excerpt(sentence)}`, 'raw');
    }
    return {
      id: String(sentence['sentid'] ?? `${place}-${index}`),
      fileName: filename as string,
      imageId: typeof cocoid === 'number' ? cocoid : cocoIdOf(filename as string),
      caption: sentence['raw'],
    };
  });
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
