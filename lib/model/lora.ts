/** Low-rank adapters (Hu et al. 2021; PEFT's layout): used beside a frozen weight, with dropout on their input, or merged into it. */
import { keyOfText, mix32, randomStream } from '../core/rng.ts';
import { dropoutMask, linear, loraLinear } from '../engine/ops/index.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { LORA_TARGETS, type LoraTarget } from './config.ts';
import type { LoraPair } from './params.ts';

const PURPOSE = keyOfText('adapter dropout');

/**
 * Dropout of one forward. Masks are a function of (seed, step, layer, target, row) and nothing else, so recomputation and resumption
 * replay them, and a row keeps its mask however rows are spread over micro-batches and processes.
 */
export interface LoraDropout {
  rate: number;
  seed: number;
  step: number;
  /** Number of each row of this forward within the global batch. */
  rows: readonly number[];
}

/** Where in the network a mask belongs. */
export interface LoraSite {
  layer: number;
  target: LoraTarget;
}

/**
 * @param site layer and linear map
 * @param shape [B, T, I] of the adapter's input
 * @returns bool[B * T, I], true where a value is kept
 */
export function loraMask(dropout: LoraDropout, site: LoraSite, shape: readonly [number, number, number]): Tensor {
  const [, T, I] = shape;
  const place = randomStream(PURPOSE, dropout.seed, dropout.step, site.layer, LORA_TARGETS.indexOf(site.target));
  const rowKeys = new Int32Array(dropout.rows.length * T);
  dropout.rows.forEach((row, b) => {
    const first = place.child(row).uint32(0);
    for (let t = 0; t < T; t++) rowKeys[b * T + t] = mix32(first + t);
  });
  const first = place.uint32(0);
  const columnKeys = new Int32Array(I);
  for (let column = 0; column < I; column++) columnKeys[column] = mix32(first + column);
  return dropoutMask({ rowKeys, columnKeys, rate: dropout.rate });
}

/**
 * One linear map of the language model, with its adapter where it has one.
 * @param x f32[B, T, I]
 * @returns f32[B, T, O]
 */
export function adaptedLinear(request: {
  x: Tensor;
  weight: Tensor;
  site: LoraSite;
  pair: LoraPair | undefined;
  scaling: number;
  dropout?: LoraDropout | undefined;
}): Tensor {
  const { x, weight, site, pair, scaling, dropout } = request;
  if (pair === undefined) return linear(x, weight);
  if (dropout === undefined || dropout.rate === 0) return loraLinear({ x, weight, ...pair, scaling });
  const mask = loraMask(dropout, site, x.shape as [number, number, number]);
  return loraLinear({ x, weight, ...pair, scaling: scaling / (1 - dropout.rate), mask });
}

/**
 * The weight with its adapter folded in: W + scaling B A.
 * @param weight f32[O, I]
 * @returns f32[O, I]
 */
export function mergedWeight(weight: Tensor, pair: LoraPair, scaling: number): Tensor {
  return tf.tidy(() => tf.add(weight, tf.mul(tf.matMul(pair.b, pair.a), scaling)));
}
