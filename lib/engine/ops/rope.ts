/** Rotary position embedding in the half-rotation form of HF LLaMA (arXiv 2104.09864; dimension j turns with j + D/2). */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

defineFusedOp({
  kernelName: 'Rope',
  composite: ({ x, cos, sin }, { inverse }) => {
    const [first, second] = tf.split(x!, 2, -1) as [Tensor, Tensor];
    const c = tf.expandDims(cos!, 1);
    const s = inverse ? tf.neg(tf.expandDims(sin!, 1)) : tf.expandDims(sin!, 1);
    return [tf.concat([tf.sub(tf.mul(first, c), tf.mul(second, s)), tf.add(tf.mul(second, c), tf.mul(first, s))], -1)];
  },
  gradient: {
    savedInputs: { cos: ['x'], sin: ['x'] },
    // A rotation is orthogonal: its gradient is the rotation by the opposite angle.
    thunks: (dy, { cos, sin }, { inverse }) => ({
      x: () => runFused('Rope', { x: dy, cos: cos!, sin: sin! }, { inverse: !inverse })[0],
    }),
  },
});

/**
 * @param x f32[B, H, T, D]
 * @param cos f32[B | 1, T, D / 2]
 * @param sin f32[B | 1, T, D / 2]
 * @returns f32[B, H, T, D]
 */
export function rope(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return runFused('Rope', { x, cos, sin }, { inverse: false })[0];
}
