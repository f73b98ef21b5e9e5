/** A batch on its way to the device: all that the forward needs and that no gradient flows to. */
import { TristageError } from '../core/errors.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { headWidth, type ModelConfig, tokensPerImage } from './config.ts';
import { attentionBias, type Blocks } from './llama/mask.ts';
import { consecutivePositions, type RopeTables, ropeTables } from './llama/rope.ts';
import { planSplice } from './splice.ts';
import { supervisedPlaces } from './supervised.ts';
import { countImages, normalisedPixels, type Pixels } from './vision/normalise.ts';
import { seenTokens } from './vision/seen.ts';

/** Images that the frozen tower saw before (see `seeEach`). */
export interface SeenImages {
  /** f32[P, Dv] of each different image. */
  tokens: readonly Float32Array[];
  /** For each image of the batch, in the order of their slots, its place in `tokens`. */
  order: ArrayLike<number>;
}

/** A batch on the host; the data pipeline's `Batch` is one. */
export interface ModelBatch {
  /** int32[B * T], IMAGE_SLOT for each visual token */
  tokenIds: Int32Array;
  /** int32[B * T], negative where there is no loss */
  labels: Int32Array;
  /** u8[B * T], 0 for padding */
  attentionMask: Uint8Array;
  shape: readonly [number, number];
  /** Images in the order of their slots; absent or empty without images. */
  pixels?: Pixels | undefined;
  /** In place of pixels: what the tower made of them. */
  seen?: SeenImages | undefined;
  /** Number of images of each row, needed only where truncation may have removed the slots of a whole image. */
  imagesPerRow?: readonly number[] | undefined;
  /** int32[B * T]; default: 0..T-1 in every row, as the reference trains */
  positions?: Int32Array | undefined;
  /** Packed rows. */
  blocks?: Blocks | undefined;
}

/** The same batch on the device. Free it with `disposeBatch`. */
export interface DeviceBatch {
  shape: readonly [number, number];
  /** int32[B * T] */
  textIds: Tensor;
  /** int32[B * T] into `[token embeddings; image features]`; absent without images */
  sources?: Tensor;
  /** f32[N, 3, S, S] normalised; absent without images */
  pixels?: Tensor;
  /** f32[M, P, Dv] of different images, in place of pixels */
  seen?: Tensor;
  rope: RopeTables;
  /** f32[B, 1, T, T] */
  bias?: Tensor;
  /** int32[N] places b * T + t whose hidden state predicts a supervised token */
  rows: Tensor;
  /** int32[N] */
  labels: Tensor;
  /** The same places on the host. */
  places: Int32Array;
  /** N, the number of supervised tokens. */
  supervised: number;
}

/**
 * Puts a batch on the device.
 * @throws TristageError `E_BATCH_SHAPE`, `E_IMAGE_SLOTS`, `E_TOKEN_ID`, `E_LABELS` or `E_PIXELS` for a batch that does not fit the model
 */
export function deviceBatch(batch: ModelBatch, config: ModelConfig): DeviceBatch {
  const { shape, attentionMask: mask, blocks, imagesPerRow } = batch;
  const seen = batch.seen === undefined || batch.seen.tokens.length === 0 ? undefined : batch.seen;
  const { vision, llm } = config;
  const [, T] = shape;
  checkLengths(batch);
  const pixels = batch.pixels === undefined || batch.pixels.length === 0 ? undefined : batch.pixels;
  const counted = pixels === undefined ? 0 : countImages(pixels, vision.imageSize);
  const { vocabulary } = llm;
  const { tokenIds } = batch;
  const plan = planSplice({
    tokenIds,
    shape,
    vocabulary,
    images: seen?.order.length ?? counted,
    tokensPerImage: tokensPerImage(config),
    imagesPerRow,
    order: seen?.order,
  });
  const supervised = supervisedPlaces({ labels: batch.labels, shape, vocabulary });
  const positions = batch.positions ?? consecutivePositions(T);
  const bias = attentionBias({ mask, shape, blocks });
  return {
    shape,
    textIds: tf.tensor1d(plan.textIds, 'int32'),
    ...(plan.sources === undefined ? {} : { sources: tf.tensor1d(plan.sources, 'int32') }),
    ...(plan.sources === undefined ? {} : imagesOnDevice({ seen, pixels }, config)),
    rope: ropeTables({
      positions,
      rows: positions.length / T,
      headWidth: headWidth(llm),
      base: llm.ropeBase,
      scaling: llm.ropeScaling,
    }),
    ...(bias === undefined ? {} : { bias }),
    rows: tf.tensor1d(supervised.rows, 'int32'),
    labels: tf.tensor1d(supervised.labels, 'int32'),
    places: supervised.rows,
    supervised: supervised.rows.length,
  };
}

function imagesOnDevice({ seen, pixels }: Pick<ModelBatch, 'seen' | 'pixels'>, config: ModelConfig) {
  if (seen !== undefined) return { seen: seenTokens(seen.tokens, config) };
  return pixels === undefined ? {} : { pixels: normalisedPixels(pixels, config.vision) };
}

/** Frees the tensors of a batch. */
export function disposeBatch(batch: DeviceBatch): void {
  const { textIds, sources, pixels, seen, rope, bias, rows, labels } = batch;
  for (const tensor of [textIds, sources, pixels, seen, rope.cos, rope.sin, bias, rows, labels]) tensor?.dispose();
}

function checkLengths(batch: ModelBatch): void {
  const [B, T] = batch.shape;
  const parts = {
    tokenIds: batch.tokenIds,
    labels: batch.labels,
    attentionMask: batch.attentionMask,
    positions: batch.positions,
    groups: batch.blocks?.groups,
    branches: batch.blocks?.branches,
  };
  for (const [name, values] of Object.entries(parts)) {
    if (values === undefined || values.length === B * T) continue;
    throw new TristageError({
      kind: 'data',
      code: 'E_BATCH_SHAPE',
      message: 'A part of the batch does not have the shape of the batch',
      where: name,
      found: `${values.length} values`,
      expected: `${B} x ${T}`,
      fix: 'Pad every row of the batch to the same length',
    });
  }
}
