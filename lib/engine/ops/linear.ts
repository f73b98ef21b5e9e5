/** Linear layer with the weight layout of published checkpoints, `[out, in]`. */
import { type Tensor, type Tensor2D, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

/** Collapses all leading dimensions: `[..., D]` -> `[N, D]`. */
export function asRows(x: Tensor): Tensor2D {
  const width = x.shape[x.rank - 1]!;
  return tf.reshape(x, [-1, width]) as Tensor2D;
}

/** The shape of `x` with its last dimension replaced. */
export function withLastDim(x: Tensor, width: number): number[] {
  return [...x.shape.slice(0, -1), width];
}

defineFusedOp({
  kernelName: 'Linear',
  composite: ({ x, weight, bias }) => {
    const product = tf.matMul(asRows(x!), weight as Tensor2D, false, true);
    const y = bias ? tf.add(product, bias) : product;
    return [tf.reshape(y, withLastDim(x!, weight!.shape[0]!))];
  },
  gradient: {
    savedInputs: { x: ['weight'], weight: ['x'] },
    thunks: (dy, { x, weight }) => ({
      x: () => tf.reshape(tf.matMul(asRows(dy), weight as Tensor2D), withLastDim(dy, weight!.shape[1]!)),
      weight: () => tf.matMul(asRows(dy), asRows(x!), true, false),
      bias: () => tf.sum(asRows(dy), 0),
    }),
  },
});

/**
 * `y = x W^T + b`.
 * @param x f32[..., I]
 * @param weight f32[O, I]
 * @param bias f32[O]
 * @returns f32[..., O]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return runFused('Linear', { x, weight, bias })[0];
}
