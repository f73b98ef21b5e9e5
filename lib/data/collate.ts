/** Examples -> Batch: rows padded to one length, attention by length, pixels in row order. */

import { TristageError } from '../core/errors.ts';
import { type Batch, type Example, IGNORE } from './sample.ts';

export interface CollateOptions {
  /** Fills padding; nothing reads it. Default 0. */
  padId?: number;
  /** `right` for training, `left` for generation. Default right. */
  align?: 'right' | 'left';
  /**
   * `longest`: as long as the longest row. `reference-sum`: longest prompt + longest answer part, as the reference pads, which its
   * loss per row depends on.
   */
  padding?: 'longest' | 'reference-sum';
}

/** The pixels of a batch. */
export interface BatchPixels {
  /** u8[N, S, S, 3], or the images one by one, each u8[S, S, 3]. */
  pixels: Uint8Array | readonly Uint8Array[];
  /** S */
  imageSize: number;
}

/** The token part of a batch. */
export type TokenBatch = Pick<Batch, 'tokenIds' | 'labels' | 'attentionMask' | 'shape'>;

/**
 * Pads rows to one length.
 * @param rows at least one
 * @returns tokenIds, labels int32[B, T], attentionMask u8[B, T]
 * @throws TristageError E_BATCH for no rows
 */
export function padRows(
  rows: readonly Pick<Example, 'tokenIds' | 'labels' | 'contextLength' | 'attention'>[],
  options: CollateOptions = {},
): TokenBatch {
  const { padId = 0, align = 'right', padding = 'longest' } = options;
  if (rows.length === 0) throw badBatch('no rows', 'at least one');
  const length = padding === 'longest' ? largest(rows, (row) => row.tokenIds.length) : referenceLength(rows);
  const tokenIds = new Int32Array(rows.length * length).fill(padId);
  const labels = new Int32Array(rows.length * length).fill(IGNORE);
  const attentionMask = new Uint8Array(rows.length * length);
  for (const [index, row] of rows.entries()) {
    const used = row.tokenIds.length;
    const start = index * length + (align === 'left' ? length - used : 0);
    tokenIds.set(row.tokenIds, start);
    labels.set(row.labels, start);
    if (row.attention === undefined) attentionMask.fill(1, start, start + used);
    else attentionMask.set(row.attention, start);
  }
  return { tokenIds, labels, attentionMask, shape: [rows.length, length] };
}

/**
 * A batch of examples with their pixels.
 * @throws TristageError E_BATCH when the number of images or of pixels is not that of the examples
 */
export function collate(examples: readonly Example[], images: BatchPixels, options: CollateOptions = {}): Batch {
  const count = examples.reduce((sum, example) => sum + example.images.length, 0);
  const bytes = images.imageSize * images.imageSize * 3;
  const pixels = images.pixels instanceof Uint8Array ? images.pixels : joinImages(images.pixels, bytes);
  if (pixels.length !== count * bytes) {
    throw badBatch(
      `${pixels.length} bytes of pixels`,
      `${count} images of ${images.imageSize} x ${images.imageSize} x 3`,
    );
  }
  return { ...padRows(examples, options), pixels, pixelShape: [count, images.imageSize], examples };
}

/**
 * Some rows of a batch, cut to their own longest row; shares memory where it can.
 * @param start first row
 * @param end row after the last
 */
export function sliceBatch(batch: Batch, start: number, end: number): Batch {
  const examples = batch.examples.slice(start, end);
  const imagesBefore = batch.examples.slice(0, start).reduce((sum, example) => sum + example.images.length, 0);
  const [, size] = batch.pixelShape;
  const bytes = size * size * 3;
  const count = examples.reduce((sum, example) => sum + example.images.length, 0);
  const pixels = batch.pixels.subarray(imagesBefore * bytes, (imagesBefore + count) * bytes);
  return collate(examples, { pixels, imageSize: size });
}

function joinImages(images: readonly Uint8Array[], bytes: number): Uint8Array {
  const joined = new Uint8Array(images.length * bytes);
  for (const [place, image] of images.entries()) {
    if (image.length !== bytes) throw badBatch(`an image of ${image.length} bytes`, `${bytes} bytes`);
    joined.set(image, place * bytes);
  }
  return joined;
}

function referenceLength(rows: readonly Pick<Example, 'tokenIds' | 'contextLength'>[]): number {
  const context = largest(rows, (row) => row.contextLength);
  return 1 + context + largest(rows, (row) => row.tokenIds.length - 1 - row.contextLength);
}

function largest<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, of(item)), 0);
}

function badBatch(found: string, expected: string): TristageError {
  return new TristageError({ kind: 'data', code: 'E_BATCH', message: 'a batch cannot be built', found, expected });
}
