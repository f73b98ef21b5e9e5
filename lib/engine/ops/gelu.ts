/** Exact (erf) GELU (arXiv 1606.08415), as in EVA; the tanh form differs by up to 5e-4. */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

/** Standard normal distribution function. */
function normalCdf(x: Tensor): Tensor {
  return tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
}

defineFusedOp({
  kernelName: 'GeluErf',
  composite: ({ x }) => [tf.mul(x!, normalCdf(x!))],
  gradient: {
    savedInputs: { x: ['x'] },
    thunks: (dy, { x }) => ({ x: () => runFused('GeluErfGrad', { dy, x })[0] }),
  },
});

defineFusedOp({
  kernelName: 'GeluErfGrad',
  composite: ({ dy, x }) => {
    const density = tf.mul(tf.exp(tf.mul(tf.square(x!), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [tf.mul(dy!, tf.add(normalCdf(x!), tf.mul(x!, density)))];
  },
});

/**
 * @param x f32[...]
 * @returns f32[...]
 */
export function gelu(x: Tensor): Tensor {
  return runFused('GeluErf', { x })[0];
}
