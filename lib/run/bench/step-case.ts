/** The inputs of `tristage bench step`: a model's weights and a batch, written to one file that both sides read. */
import { join } from 'node:path';
import { fromInt32, type HostTensor } from '../../formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../../formats/safetensors.ts';
import { type ModelConfig, tokensPerImage } from '../../model/config.ts';
import { preset } from '../../model/presets.ts';
import { modelShapes } from '../../model/shapes.ts';
import { IMAGE_SLOT } from '../../model/splice.ts';

export interface StepCase {
  name: string;
  model: ModelConfig;
  batch: number;
  tokens: number;
  /** Supervised tokens at the end of each row. */
  answer: number;
  lr: number;
}

/** The mathematics of the reference recipe: all logits, right-padded rows, vision computed at every step, no dropout. */
export function midCase(): StepCase {
  const mid = preset('mid');
  const model = { ...mid, lora: { ...mid.lora!, dropout: 0 } };
  return { name: 'mid-a', model, batch: 4, tokens: 200, answer: 40, lr: 1e-4 };
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

function float32(values: Float32Array, shape: readonly number[]): HostTensor {
  return {
    dtype: 'F32',
    shape: [...shape],
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/** Start values of one weight: norms 1, biases 0, matrices uniform by their number of inputs. */
function weightOf(name: string, shape: readonly number[], seed: number): HostTensor {
  const size = shape.reduce((product, side) => product * side, 1);
  if (shape.length === 1) return float32(new Float32Array(size).fill(name.endsWith('weight') ? 1 : 0), shape);
  const inputs = size / shape[0]!;
  return float32(noise(size, name.includes('embed_tokens') ? 0.5 : 1 / Math.sqrt(inputs), seed), shape);
}

/** Token ids and labels: text, the image slots, text, then the answer. */
function sequences({ model, batch, tokens, answer }: StepCase): { ids: Int32Array; labels: Int32Array } {
  const image = tokensPerImage(model);
  const start = 6;
  const ids = new Int32Array(batch * tokens);
  const labels = new Int32Array(batch * tokens).fill(-1);
  for (let i = 0; i < ids.length; i++) {
    const t = i % tokens;
    const isImage = t >= start && t < start + image;
    ids[i] = isImage ? IMAGE_SLOT : 3 + ((i * 7919) % (model.llm.vocabulary - 3));
    if (t >= tokens - answer) labels[i] = ids[i]!;
  }
  return { ids, labels };
}

/**
 * Writes the case to `folder`.
 * @returns paths of the weights with the batch, and of the description
 */
export async function writeStepCase(
  stepCase: StepCase,
  folder: string,
): Promise<{ weights: string; batch: ReadonlyMap<string, HostTensor> }> {
  const { model, batch, tokens } = stepCase;
  const side = model.vision.imageSize;
  const { ids, labels } = sequences(stepCase);
  const inputs = new Map<string, HostTensor>([
    ['batch.pixels', float32(noise(batch * 3 * side * side, 2, 99), [batch, 3, side, side])],
    ['batch.tokens', fromInt32(ids, [batch, tokens])],
    ['batch.labels', fromInt32(labels, [batch, tokens])],
  ]);
  const sources = new Map<string, TensorSource>();
  let seed = 1;
  for (const [name, shape] of modelShapes(model)) {
    const own = seed++;
    sources.set(name, { dtype: 'F32', shape, read: () => weightOf(name, shape, own) });
  }
  for (const [name, tensor] of inputs) sources.set(name, { ...tensor, read: () => tensor });
  const weights = join(folder, 'case.safetensors');
  await writeSafetensorsFrom(weights, sources);
  return { weights, batch: inputs };
}
