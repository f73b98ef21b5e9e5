/** The parts of the fixture `minigptv2-step` that its comparisons share. */
import type { Tokenizer } from '../../../lib/data/tokenizer.ts';
import type { ModelBatch } from '../../../lib/model/batch.ts';
import type { MiniGpt } from '../../../lib/model/minigpt.ts';
import { encodeReferenceBatch, type ReferenceSamples, type ReferenceSettings } from '../adapters/minigptv2-batches.ts';
import type { Recorded, Report } from '../fixture.ts';
import type { FixtureWeights } from '../weights.ts';

export interface RecordedBatch {
  name: string;
  /** Rows of `image_pool`: one a sample, or several; null for text alone. */
  image_index: number[] | number[][] | null;
  settings: ReferenceSettings;
  samples: ReferenceSamples & { length?: number[] };
  loss: number;
}

export interface RecordedTraining {
  accum_grad_iters: number;
  zero_grad_set_to_none: boolean;
  losses: number[];
  lrs: number[];
  weight_decay: number;
  betas: [number, number];
  eps: number;
  max_epoch: number;
  iters_per_epoch: number;
  init_lr: number;
  min_lr: number;
  warmup_lr: number;
  warmup_steps: number;
  batch_order: string[];
  no_weight_decay: string[];
}

/** `batches.json`. */
export interface StepFile {
  batches: RecordedBatch[];
  generate: {
    texts: string[];
    image_index: number[] | null;
    max_new_tokens: number;
    output_ids: number[][];
    answers: string[];
  };
  multi_select: {
    image_index: number[] | null;
    instruction_input: string[];
    candidates: string[][];
    chat_template: boolean;
    ranks: number[][];
  };
  train: Record<string, RecordedTraining>;
}

export interface StepFixture {
  dir: string;
  checks: Report;
  io: Recorded;
  file: StepFile;
  tokenizer: Tokenizer;
  imageTokens: number;
  weights: FixtureWeights;
  /** Trainable weights, as the fixture spells them, in the order of the reference's model. */
  trainable: readonly string[];
  /** What Hugging Face fills finished rows with. */
  padId: number;
  /** A fresh model with the fixture's weights, projector and adapters trainable; the caller disposes it. */
  createModel(): MiniGpt;
}

/** Images of `image_pool` by index, normalised f32 [N, 3, S, S] row-major. */
export function pooledPixels(io: Recorded, indices: readonly number[]): Float32Array {
  const pool = io.floats('image_pool');
  const size = pool.length / (io.shape('image_pool')[0] ?? 1);
  const pixels = new Float32Array(indices.length * size);
  indices.forEach((image, place) => {
    pixels.set(pool.subarray(image * size, (image + 1) * size), place * size);
  });
  return pixels;
}

/** A recorded batch, encoded from its raw samples by the project's own encoder. */
export function encodeBatch(fixture: StepFixture, batch: RecordedBatch): ModelBatch {
  const { settings, samples, image_index: index } = batch;
  const tokens = encodeReferenceBatch(settings, samples, fixture);
  if (index === null) return tokens;
  // Of several images a sample uses the first `length`; the rest is only there to fill the reference's tensor.
  const images = index.map((each, row) => (typeof each === 'number' ? [each] : each.slice(0, samples.length?.[row])));
  return {
    ...tokens,
    pixels: pooledPixels(fixture.io, images.flat()),
    imagesPerRow: images.map((each) => each.length),
  };
}
