/** The samples of a case as the trainer's batch, and the work that they are. */
import { collate } from '../../../data/collate.ts';
import { collatePacked, type LoadedBatch } from '../../../data/loaded-batch.ts';
import { blockMask } from '../../../data/packed-batch.ts';
import type { Example, RawImage } from '../../../data/sample.ts';
import { tokensPerImage } from '../../../model/config.ts';
import type { StepCase, StepMode } from './case.ts';
import type { StepWork } from './flops.ts';

/** The samples as they lie in the file. */
export interface CaseTensors {
  /** int32[B * T] */
  tokens: Int32Array;
  /** int32[B * T], -1 where there is no loss */
  labels: Int32Array;
  /** u8[N, S, S, 3] */
  bytes: Uint8Array;
}

export interface OurBatch {
  batch: LoadedBatch;
  /** For each example of the batch the number of the sample. */
  order: number[];
  /** For each image of the batch its number in the case. */
  images: number[];
}

function imagesOf({ model, images }: StepCase, bytes: Uint8Array): RawImage[] {
  const side = model.vision.imageSize;
  const size = 3 * side * side;
  return Array.from({ length: images }, (_, image) => ({
    pixels: bytes.subarray(image * size, (image + 1) * size),
    width: side,
    height: side,
    name: `image ${image}`,
  }));
}

/** The padded rows of the file as the examples that they were. */
function examplesOf(stepCase: StepCase, { tokens, labels }: CaseTensors, images: readonly RawImage[]): Example[] {
  const width = tokens.length / stepCase.rows.length;
  return stepCase.rows.map(({ length, image }, row) => ({
    id: String(row),
    task: 'vqa',
    tokenIds: tokens.slice(row * width, row * width + length),
    labels: labels.slice(row * width, row * width + length),
    images: [images[image]!],
    contextLength: 0,
  }));
}

/** Pads or packs, as the mode says. */
export function ourBatch(stepCase: StepCase, tensors: CaseTensors, mode: StepMode): OurBatch {
  const { model, maxTokens } = stepCase;
  const { imageSize } = model.vision;
  const images = imagesOf(stepCase, tensors.bytes);
  const examples = examplesOf(stepCase, tensors, images);
  const pixels = (image: Example['images'][number]) => (image as RawImage).pixels;
  const batch: LoadedBatch =
    mode === 'a'
      ? collate(examples, { pixels: examples.map((example) => pixels(example.images[0]!)), imageSize })
      : collatePacked({
          examples,
          pixelsOf: pixels,
          imageSize,
          imageTokens: tokensPerImage(model),
          packing: { maxTokens },
        });
  const shown: readonly Pick<Example, 'images'>[] = batch.packed ?? batch.examples;
  return {
    batch,
    order: batch.examples.map(({ id }) => Number(id)),
    images: shown.flatMap((row) => row.images.map((image) => images.indexOf(image as RawImage))),
  };
}

/** What the model has to do with a batch. */
export function workOf(batch: LoadedBatch, mode: StepMode): StepWork & { supervised: number } {
  const [B, T] = batch.shape;
  const [projected] = batch.pixelShape;
  const supervised = batch.labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);
  const seen = (batch.packed ?? []).reduce((sum, row) => sum + blockMask(row).reduce((own, bit) => own + bit, 0), 0);
  return {
    images: mode === 'b-cached' ? 0 : projected,
    projected,
    tokens: mode === 'a' ? B * T : (batch.packed ?? []).reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
    pairs: mode === 'a' ? (B * T * (T + 1)) / 2 : seen,
    logits: mode === 'a' ? B * T : supervised,
    supervised,
  };
}
