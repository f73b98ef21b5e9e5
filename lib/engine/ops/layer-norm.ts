/** Layer normalisation over the last dimension (arXiv 1607.06450). */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';
import { asRows } from './linear.ts';

defineFusedOp({
  kernelName: 'LayerNorm',
  composite: ({ x, weight, bias }, { eps }) => {
    const mean = tf.mean(x!, -1, true);
    const centred = tf.sub(x!, mean);
    const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps as number));
    return [tf.add(tf.mul(tf.mul(centred, rstd), weight!), bias!), mean, rstd];
  },
  gradient: {
    savedInputs: { x: ['x', 'weight'], weight: ['x'] },
    savedOutputs: { 1: ['x', 'weight'], 2: ['x', 'weight'] },
    thunks: (dy, { x, weight, out1, out2 }) => {
      let affine: Tensor[] | undefined;
      return {
        x: () => runFused('LayerNormGradX', { dy, x: x!, weight: weight!, mean: out1!, rstd: out2! })[0],
        weight: () => {
          affine = runFused('LayerNormGradAffine', { dy, x: x!, mean: out1!, rstd: out2! });
          return affine[0]!;
        },
        // Asked for after the weight's. Alone it needs nothing that was saved.
        bias: () => affine?.[1] ?? tf.sum(asRows(dy), 0),
      };
    },
  },
});

defineFusedOp({
  kernelName: 'LayerNormGradX',
  composite: ({ dy, x, weight, mean, rstd }) => {
    const normalized = tf.mul(tf.sub(x!, mean!), rstd!);
    const dNormalized = tf.mul(dy!, weight!);
    const average = tf.mean(dNormalized, -1, true);
    const projection = tf.mean(tf.mul(dNormalized, normalized), -1, true);
    return [tf.mul(rstd!, tf.sub(tf.sub(dNormalized, average), tf.mul(normalized, projection)))];
  },
});

/** Of weight and bias, in this order. */
defineFusedOp({
  kernelName: 'LayerNormGradAffine',
  composite: ({ dy, x, mean, rstd }) => [
    tf.sum(asRows(tf.mul(dy!, tf.mul(tf.sub(x!, mean!), rstd!))), 0),
    tf.sum(asRows(dy!), 0),
  ],
});

export interface LayerNormArgs {
  /** f32[..., D] */
  x: Tensor;
  /** f32[D] */
  weight: Tensor;
  /** f32[D] */
  bias: Tensor;
  eps: number;
}

/** @returns f32[..., D] */
export function layerNorm({ x, weight, bias, eps }: LayerNormArgs): Tensor {
  const [y, mean, rstd] = runFused('LayerNorm', { x, weight, bias }, { eps });
  mean!.dispose();
  rstd!.dispose();
  return y!;
}
