/** Examples -> Batch: rows padded to one length, attention by length, pixels in row order. */

import { TristageError } from '../core/errors.ts';
import type { PixelMemory } from './pixel-memory.ts';
import { type Batch, type Example, IGNORE, type KeyedImage } from './sample.ts';

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

/** An image of a batch: u8[S, S, 3], or what is known of it where features are cached. */
export type LoadedImage = Uint8Array | KeyedImage;

/** The pixels of a batch. */
export interface BatchPixels {
  /** u8[N, S, S, 3], or the images one by one. */
  pixels: Uint8Array | readonly LoadedImage[];
  /** S */
  imageSize: number;
  /** Where the memory for images that come one by one is from. Default: it is new. */
  take?: PixelMemory['take'];
}

/** The images of a batch as it carries them. */
export type BatchImages = Pick<Batch, 'pixels' | 'pixelShape' | 'keyed'>;

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
  const { pixels: given, imageSize, take } = images;
  const loaded: Pick<BatchImages, 'pixels' | 'keyed'> =
    given instanceof Uint8Array ? { pixels: given } : joinImages(given, imageSize, take);
  const carried = loaded.keyed?.length ?? loaded.pixels.length / (imageSize * imageSize * 3);
  if (carried !== count) {
    const found = loaded.keyed === undefined ? `${loaded.pixels.length} bytes of pixels` : `${carried} images`;
    throw badBatch(found, `${count} images of ${imageSize} x ${imageSize} x 3`);
  }
  return { ...padRows(examples, options), ...loaded, pixelShape: [count, imageSize], examples };
}

/**
 * Some rows of a batch, cut to their own longest row; shares memory where it can.
 * @param start first row
 * @param end row after the last
 */
export function sliceBatch(batch: Batch, start: number, end: number): Batch {
  const examples = batch.examples.slice(start, end);
  const imagesBefore = batch.examples.slice(0, start).reduce((sum, example) => sum + example.images.length, 0);
  const count = examples.reduce((sum, example) => sum + example.images.length, 0);
  const { pixels, keyed } = someImages(batch, imagesBefore, imagesBefore + count);
  return collate(examples, { pixels: keyed ?? pixels, imageSize: batch.pixelShape[1] });
}

/**
 * Some images of a batch; shares their memory.
 * @param start first image
 * @param end image after the last
 */
export function someImages({ pixels, pixelShape, keyed }: BatchImages, start: number, end: number): BatchImages {
  const size = pixelShape[1];
  const bytes = size * size * 3;
  return {
    pixels: pixels.subarray(start * bytes, end * bytes),
    pixelShape: [end - start, size],
    ...(keyed === undefined ? {} : { keyed: keyed.slice(start, end) }),
  };
}

/**
 * Images one behind the other.
 * @throws TristageError E_BATCH for pixels that are no image of this size
 */
export function joinImages(
  images: readonly LoadedImage[],
  size: number,
  take: PixelMemory['take'] = (length) => new Uint8Array(length),
): BatchImages {
  const keyed = images.filter((image): image is KeyedImage => 'key' in image);
  const pixelShape = [images.length, size] as const;
  if (keyed.length > 0 && keyed.length === images.length) return { pixels: new Uint8Array(0), pixelShape, keyed };
  const bytes = size * size * 3;
  const pixels = take(images.length * bytes);
  for (const [place, image] of images.entries()) {
    if ('key' in image || image.length !== bytes) {
      throw badBatch(
        'key' in image ? 'an image without pixels' : `an image of ${image.length} bytes`,
        `${bytes} bytes`,
      );
    }
    pixels.set(image, place * bytes);
  }
  return { pixels, pixelShape };
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
