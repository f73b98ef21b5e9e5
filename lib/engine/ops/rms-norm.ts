/** Root mean square normalisation, `y = x / sqrt(mean(x^2) + eps) * weight` (arXiv 1910.07467; LLaMA's variant has no bias). */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';
import { asRows } from './linear.ts';

defineFusedOp({
  kernelName: 'RmsNorm',
  composite: ({ x, weight }, { eps }) => {
    const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(x!), -1, true), eps as number));
    return [tf.mul(tf.mul(x!, rstd), weight!), rstd];
  },
  gradient: {
    savedInputs: { x: ['x', 'weight'], weight: ['x'] },
    savedOutputs: { 1: ['x', 'weight'] },
    thunks: (dy, { x, weight, out1 }) => ({
      x: () => runFused('RmsNormGradX', { dy, x: x!, weight: weight!, rstd: out1! })[0],
      weight: () => runFused('RmsNormGradWeight', { dy, x: x!, rstd: out1! })[0],
    }),
  },
});

defineFusedOp({
  kernelName: 'RmsNormGradX',
  composite: ({ dy, x, weight, rstd }) => {
    const normalized = tf.mul(x!, rstd!);
    const dNormalized = tf.mul(dy!, weight!);
    const projection = tf.mean(tf.mul(dNormalized, normalized), -1, true);
    return [tf.mul(rstd!, tf.sub(dNormalized, tf.mul(normalized, projection)))];
  },
});

defineFusedOp({
  kernelName: 'RmsNormGradWeight',
  composite: ({ dy, x, rstd }) => [tf.sum(asRows(tf.mul(dy!, tf.mul(x!, rstd!))), 0)],
});

/**
 * @param x f32[..., D]
 * @param weight f32[D]
 * @returns f32[..., D]
 */
export function rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor {
  const [y, rstd] = runFused('RmsNorm', { x, weight }, { eps });
  rstd!.dispose();
  return y!;
}
