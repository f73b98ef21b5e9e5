/** Sums of squares of many tensors at once: what the norm of all gradients is made of. */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

/** Inputs `x0`, `x1` and so on. */
defineFusedOp({
  kernelName: 'SquaredNorms',
  composite: (inputs) => {
    // Each square in a scope of its own: together they would be as large as all tensors.
    const square = (x: Tensor): Tensor => tf.tidy(() => tf.reshape(tf.sum(tf.square(x)), [1]));
    return [tf.concat(Object.values(inputs).map(square))];
  },
});

/**
 * @param tensors f32 of any shapes, at least one
 * @returns f32[tensors]: the sum of squares of each
 */
export function squaredNorms(tensors: readonly Tensor[]): Tensor {
  return runFused('SquaredNorms', Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor])))[0];
}
