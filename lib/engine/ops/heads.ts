/** The heads of attention as an axis of their own, and back: other views of one memory where an engine has strides. */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

defineFusedOp({
  kernelName: 'SplitHeads',
  composite: ({ x }, { heads }) => {
    const [B, T, D] = x!.shape as [number, number, number];
    return [tf.transpose(tf.reshape(x!, [B, T, heads as number, D / (heads as number)]), [0, 2, 1, 3])];
  },
  gradient: { thunks: (dy) => ({ x: () => joinHeads(dy) }) },
});

defineFusedOp({
  kernelName: 'JoinHeads',
  composite: ({ x }) => {
    const [B, H, T, width] = x!.shape as [number, number, number, number];
    return [tf.reshape(tf.transpose(x!, [0, 2, 1, 3]), [B, T, H * width])];
  },
  gradient: { thunks: (dy, _saved, { heads }) => ({ x: () => splitHeads(dy, heads as number) }) },
});

/**
 * @param x f32[B, T, H * D]
 * @returns f32[B, H, T, D]
 */
export function splitHeads(x: Tensor, heads: number): Tensor {
  return runFused('SplitHeads', { x }, { heads })[0];
}

/**
 * @param x f32[B, H, T, D]
 * @returns f32[B, T, H * D]
 */
export function joinHeads(x: Tensor): Tensor {
  return runFused('JoinHeads', { x }, { heads: x.shape[1] })[0];
}
