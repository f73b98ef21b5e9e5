/** What a loader gives out: a batch of rows, or of packed rows; and its parts, small enough for one pass through the model. */

import { type BatchImages, joinImages, type LoadedImage, sliceBatch, someImages } from './collate.ts';
import { packExamples } from './pack.ts';
import { badPack, type PackedRow, padPackedRows, type Segments } from './packed-batch.ts';
import type { PixelMemory } from './pixel-memory.ts';
import type { Batch, Example, ImageRef } from './sample.ts';

/** How questions share rows. */
export interface PackingOptions {
  /** Most tokens of a row, visual ones included. */
  maxTokens: number;
}

/** A batch as the model takes it. The last fields are there when rows are packed; then a row holds several of `examples`. */
export interface LoadedBatch extends Batch {
  /** int32[B, T] */
  readonly positions?: Int32Array;
  /** int32[B, T] each */
  readonly blocks?: Segments;
  /** int32[B, T]: index into `examples`, or NO_OWNER. */
  readonly owners?: Int32Array;
  /** The rows before padding. */
  readonly packed?: readonly PackedRow[];
}

/**
 * Packs examples behind the images that they share.
 * @param request pixelsOf gives the pixels of an image, or what is known of it; imageSize is S
 * @throws TristageError E_PACK for an example that is longer than a row
 */
export function collatePacked(request: {
  examples: readonly Example[];
  pixelsOf: (image: ImageRef) => LoadedImage;
  imageSize: number;
  imageTokens: number;
  packing: PackingOptions;
  /** As `BatchPixels`. */
  take?: PixelMemory['take'];
}): LoadedBatch {
  const { examples, pixelsOf, imageSize, imageTokens, packing, take } = request;
  const { rows, overlong } = packExamples(examples, { ...packing, imageTokens });
  const [long] = overlong;
  if (long !== undefined)
    throw badPack(`an example of ${long.tokenIds.length} tokens`, `at most ${packing.maxTokens}`, long.id);
  const images = rows.flatMap((row) => row.images);
  return joinRows(rows, joinImages(images.map(pixelsOf), imageSize, take));
}

function joinRows(rows: readonly PackedRow[], loaded: BatchImages): LoadedBatch {
  const { images: _, ...batch } = padPackedRows(rows);
  return { ...batch, ...loaded, packed: rows };
}

/**
 * Cuts a batch into parts that go through the model one after the other, each padded to its own longest row; pixels are shared, not
 * copied. A part has at most `examples` examples; a packed row is never cut, so where one holds more it is a part by itself.
 */
export function microBatches(batch: LoadedBatch, examples: number): LoadedBatch[] {
  if (batch.packed !== undefined) return packedParts(batch, batch.packed, examples);
  const [B] = batch.shape;
  if (examples >= B) return [batch];
  const starts = Array.from({ length: Math.ceil(B / examples) }, (_, part) => part * examples);
  return starts.map((start) => sliceBatch(batch, start, Math.min(B, start + examples)));
}

function packedParts(batch: LoadedBatch, rows: readonly PackedRow[], examples: number): LoadedBatch[] {
  const parts: PackedRow[][] = [];
  let held = 0;
  for (const row of rows) {
    const open = parts.at(-1);
    if (open === undefined || held + row.examples.length > examples) {
      parts.push([row]);
      held = row.examples.length;
    } else {
      open.push(row);
      held += row.examples.length;
    }
  }
  if (parts.length === 1) return [batch];
  let before = 0;
  return parts.map((part) => {
    const start = before;
    before += part.reduce((sum, row) => sum + row.images.length, 0);
    return joinRows(part, someImages(batch, start, before));
  });
}
