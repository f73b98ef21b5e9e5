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
      x: () => linearGradX(dy, weight!),
      weight: () => rowsProduct(dy, x!),
      bias: () => tf.sum(asRows(dy), 0),
    }),
  },
});

defineFusedOp({
  kernelName: 'LinearGradX',
  composite: ({ dy, weight }, { scaling }) => {
    const product = tf.matMul(asRows(dy!), weight as Tensor2D);
    const scaled = scaling === 1 ? product : tf.mul(product, scaling as number);
    return [tf.reshape(scaled, withLastDim(dy!, weight!.shape[1]!))];
  },
});

/**
 * `scaling dy W`: the gradient that a linear map hands to its input.
 * @param dy f32[..., O]
 * @param weight f32[O, I]
 * @returns f32[..., I]
 */
export function linearGradX(dy: Tensor, weight: Tensor, scaling = 1): Tensor {
  return runFused('LinearGradX', { dy, weight }, { scaling })[0];
}

defineFusedOp({
  kernelName: 'RowsProduct',
  composite: ({ a, b }, { scaling }) => {
    const product = tf.matMul(asRows(a!), asRows(b!), true, false);
    return [scaling === 1 ? product : tf.mul(product, scaling as number)];
  },
});

/**
 * `scaling A^T B` over all rows: the gradient of a linear map's weight, from those of its results and from its inputs.
 * @param a f32[..., O]
 * @param b f32[..., I] with the same rows
 * @returns f32[O, I]
 */
export function rowsProduct(a: Tensor, b: Tensor, scaling = 1): Tensor {
  return runFused('RowsProduct', { a, b }, { scaling })[0];
}

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
