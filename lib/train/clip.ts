/** The norm of all gradients together, and shortening them to a limit. */

import { type Tensor, tf } from '../engine/tf.ts';

/** Gradients by parameter path; null where the loss does not depend on the parameter. */
export type NamedGradients = ReadonlyMap<string, Tensor | null>;

/** Keeps the factor finite for a zero norm; the value of torch's clip_grad_norm_. */
const EPSILON = 1e-6;

/**
 * The Euclidean norm over all gradients as one vector. Not finite when one of them is not.
 * @returns 0 when there is no gradient
 */
export async function globalNorm(gradients: NamedGradients): Promise<number> {
  const present = [...gradients.values()].filter((gradient) => gradient !== null);
  if (present.length === 0) return 0;
  // Each square in a scope of its own: together they would be as large as all gradients.
  const square = (gradient: Tensor): Tensor => tf.tidy(() => tf.reshape(tf.sum(tf.square(gradient)), [1]));
  const squares = tf.tidy(() => tf.concat(present.map(square)));
  try {
    const sums = await squares.data<'float32'>();
    return Math.sqrt(sums.reduce((total, value) => total + value, 0));
  } finally {
    squares.dispose();
  }
}

/**
 * The factor that brings gradients of this norm to at most `maxNorm`; 1 where they are short enough.
 * @param norm finite; deciding what a norm that is not means is the caller's part
 */
export function clipFactor(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + EPSILON));
}

/** Every gradient times a factor, as new tensors of the caller. */
export function scaleGradients(gradients: NamedGradients, factor: number): Map<string, Tensor | null> {
  const scaled = new Map<string, Tensor | null>();
  for (const [name, gradient] of gradients) scaled.set(name, gradient === null ? null : tf.mul(gradient, factor));
  return scaled;
}
