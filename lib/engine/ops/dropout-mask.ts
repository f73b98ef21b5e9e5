/**
 * Dropout masks that are a pure function of a key per row and the column: recomputation, resumption and every engine
 * draw the same mask. The mixing function is a 32-bit finaliser (two multiply-xorshift rounds).
 */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

/** Mixes 32 bits so that each input bit flips about half of the output bits. */
export function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

defineFusedOp({
  kernelName: 'DropoutMask',
  composite: (_inputs, attrs) => {
    const { rowKeys, columns, rate } = attrs as { rowKeys: Int32Array; columns: number; rate: number };
    const mask = new Float32Array(rowKeys.length * columns);
    const kept = Math.fround(1 / (1 - rate));
    const threshold = Math.floor(rate * 2 ** 32);
    let at = 0;
    for (const key of rowKeys) {
      for (let column = 0; column < columns; column++) mask[at++] = mix32(key + column) >= threshold ? kept : 0;
    }
    return [tf.tensor2d(mask, [rowKeys.length, columns])];
  },
});

export interface DropoutMaskArgs {
  /** One well-mixed key per row, for example from (seed, step, layer, row). */
  rowKeys: Int32Array;
  columns: number;
  /** Probability of a zero, in [0, 1). */
  rate: number;
}

/** @returns f32[rows, columns] of 0 and 1 / (1 - rate) */
export function dropoutMask({ rowKeys, columns, rate }: DropoutMaskArgs): Tensor {
  return runFused('DropoutMask', {}, { rowKeys, columns, rate })[0];
}
