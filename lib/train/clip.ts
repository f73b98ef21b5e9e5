/** The norm of all gradients together, and shortening them to a limit. */

import { squaredNorms } from '../engine/ops/index.ts';
import type { Tensor } from '../engine/tf.ts';

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
  const squares = squaredNorms(present);
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
