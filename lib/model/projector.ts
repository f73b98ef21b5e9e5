/** From visual tokens to language tokens (MiniGPT-v2, section 2.1): neighbours joined, then one linear map. */
import { linear } from '../engine/ops/index.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import type { Affine } from './params.ts';

/**
 * Joins each run of `join` raster tokens, horizontal neighbours, into one: a view of the same memory.
 * @param x f32[B, P, D]
 * @returns f32[B, P / join, join * D]
 */
export function joinNeighbours(x: Tensor, join: number): Tensor {
  const [B, P, D] = x.shape as [number, number, number];
  return tf.reshape(x, [B, P / join, join * D]);
}

/**
 * `llama_proj`.
 * @param joined f32[B, P / join, join * D]
 * @returns f32[B, P / join, Dl]
 */
export function project(joined: Tensor, params: Affine): Tensor {
  return linear(joined, params.weight, params.bias);
}
