/**
 * Dropout masks that are a pure function of a key for each row and a key for each column: recomputation, resumption and every engine draw
 * the same mask. An element's number is the product of its two odd keys modulo 2^32 (multiply-shift hashing, Dietzfelbinger et al. 1997:
 * for random keys any two elements are as good as independent), so a GPU makes a mask in two passes over memory.
 */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

defineFusedOp({
  kernelName: 'DropoutMask',
  composite: (_inputs, attrs) => {
    const { rowKeys, columnKeys, rate } = attrs as DropoutMaskArgs;
    const mask = new Uint8Array(rowKeys.length * columnKeys.length);
    const threshold = dropoutThreshold(rate);
    let at = 0;
    for (const row of rowKeys) {
      for (const column of columnKeys) mask[at++] = Math.imul(row | 1, column | 1) >= threshold ? 1 : 0;
    }
    return [tf.tensor2d(mask, [rowKeys.length, columnKeys.length], 'bool')];
  },
});

/** An element is kept where its number, as int32, is at least this. */
export const dropoutThreshold = (rate: number): number => Math.floor(rate * 2 ** 32) - 2 ** 31;

export type DropoutMaskArgs = {
  /** One well-mixed key for each row, for example from (seed, step, layer, row). */
  rowKeys: Int32Array;
  /** One well-mixed key for each column. */
  columnKeys: Int32Array;
  /** Probability of false, in [0, 1). */
  rate: number;
};

/** @returns bool[rows, columns]: true where an element is kept */
export function dropoutMask(args: DropoutMaskArgs): Tensor {
  return runFused('DropoutMask', {}, args)[0];
}

defineFusedOp({
  kernelName: 'Masked',
  composite: ({ x, mask }) => [tf.mul(x!, tf.reshape(mask!, x!.shape))],
});

/**
 * Without a gradient of its own: ops that mask know theirs.
 * @param x f32 of any shape
 * @param mask bool of as many elements
 * @returns x where the mask is true, else 0
 */
export function masked(x: Tensor, mask: Tensor): Tensor {
  return runFused('Masked', { x, mask })[0];
}
