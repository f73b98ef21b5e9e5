/** The inputs of `tristage bench step`: a model's weights and samples, written to one file that both sides read. */
import { join } from 'node:path';
import { loadImage, normalizePixels } from '../../../data/image.ts';
import type { Example, ImageRef } from '../../../data/sample.ts';
import { fromFloat32, fromInt32, type HostTensor } from '../../../formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../../../formats/safetensors.ts';
import type { ModelConfig } from '../../../model/config.ts';
import { preset } from '../../../model/presets.ts';
import { modelShapes, valuesIn } from '../../../model/shapes.ts';
import { pixelNorm } from '../../../model/vision/normalise.ts';

/**
 * `a`: the mathematics of the reference recipe: one question a row, right padding, logits everywhere, vision computed for each
 * question. `b`: what the trainer does: packed rows behind shared images, logits where there is a loss. `b-cached`: so too, and what
 * the frozen tower makes of the images is known.
 */
export const STEP_MODES = ['a', 'b', 'b-cached'] as const;
export type StepMode = (typeof STEP_MODES)[number];

/** Models of the cases; `tiny` is for tests. */
export const STEP_MODELS = ['mid', 'smol', 'tiny'] as const;
export type StepModel = (typeof STEP_MODELS)[number];

/** What both sides read from the description. */
export interface StepCase {
  name: StepModel;
  model: ModelConfig;
  /** For each sample: tokens of its row before padding, and its image. */
  rows: { length: number; image: number }[];
  /** Different images. */
  images: number;
  lr: number;
  /** Longest packed row of mode `b`. */
  maxTokens: number;
  threads: number;
}

/** Long enough for the questions about any two images of the mixture. */
const MAX_TOKENS = 512;
const LR = 1e-4;

/** The model of a case: a preset, without dropout, whose random numbers no two programs share. */
export function stepModel(name: StepModel): ModelConfig {
  const model = preset(name);
  return { ...model, lora: { ...model.lora!, dropout: 0 } };
}

/** Numbers in -1..1 that look random; a linear congruential generator, since only their spread matters here. */
function noise(size: number, scale: number, seed: number): Float32Array {
  const values = new Float32Array(size);
  let state = seed | 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = (state / 2 ** 31) * scale;
  }
  return values;
}

/** Start values of one weight: norms and scales 1, biases 0, matrices uniform by their number of inputs. */
function weightOf(name: string, shape: readonly number[], seed: number): HostTensor {
  const size = valuesIn(shape);
  if (shape.length === 1) return fromFloat32(new Float32Array(size).fill(/weight$|gamma$/.test(name) ? 1 : 0), shape);
  const inputs = size / shape[0]!;
  return fromFloat32(noise(size, name.includes('embed_tokens') ? 0.5 : 1 / Math.sqrt(inputs), seed), shape);
}

/** Rows of equal length; -1 where there is no loss. */
function padded(examples: readonly Example[]): Map<string, HostTensor> {
  const longest = Math.max(...examples.map(({ tokenIds }) => tokenIds.length));
  const ids = new Int32Array(examples.length * longest);
  const labels = new Int32Array(ids.length).fill(-1);
  for (const [row, example] of examples.entries()) {
    ids.set(example.tokenIds, row * longest);
    labels.set(
      example.labels.map((label) => Math.max(label, -1)),
      row * longest,
    );
  }
  const shape = [examples.length, longest];
  return new Map([
    ['batch.tokens', fromInt32(ids, shape)],
    ['batch.labels', fromInt32(labels, shape)],
  ]);
}

/** Pixels as bytes, as our loader gives them, and normalised, as the other side's would be. */
async function pixelsOf(images: readonly ImageRef[], model: ModelConfig): Promise<Map<string, HostTensor>> {
  const { imageSize: size } = model.vision;
  const squares = await Promise.all(images.map((image) => loadImage(image, { size, transform: 'pillow-bicubic' })));
  const bytes = new Uint8Array(images.length * 3 * size * size);
  const floats = new Float32Array(bytes.length);
  for (const [place, square] of squares.entries()) {
    bytes.set(square, place * square.length);
    floats.set(normalizePixels(square, pixelNorm(model.vision)), place * square.length);
  }
  return new Map([
    ['batch.bytes', { dtype: 'U8', shape: [images.length, size, size, 3], bytes }],
    ['batch.pixels', fromFloat32(floats, [images.length, 3, size, size])],
  ]);
}

/**
 * Writes weights and samples to `folder`.
 * @param request examples: each with one image
 * @returns the description, and the path of the file
 */
export async function writeStepCase(
  request: { name: StepModel; model: ModelConfig; examples: readonly Example[]; threads: number },
  folder: string,
): Promise<{ stepCase: StepCase; weights: string }> {
  const { name, model, examples, threads } = request;
  const images = [...new Set(examples.map((example) => example.images[0]!))];
  const rows = examples.map(({ tokenIds, images: own }) => ({
    length: tokenIds.length,
    image: images.indexOf(own[0]!),
  }));
  const inputs = new Map([...padded(examples), ...(await pixelsOf(images, model))]);
  const sources = new Map<string, TensorSource>();
  let seed = 1;
  for (const [weight, shape] of modelShapes(model)) {
    const own = seed++;
    sources.set(weight, { dtype: 'F32', shape, read: () => weightOf(weight, shape, own) });
  }
  for (const [input, tensor] of inputs) sources.set(input, { ...tensor, read: () => tensor });
  const weights = join(folder, 'case.safetensors');
  await writeSafetensorsFrom(weights, sources);
  const stepCase = { name, model, rows, images: images.length, lr: LR, maxTokens: MAX_TOKENS, threads };
  return { stepCase, weights };
}
