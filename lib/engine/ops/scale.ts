/** A tensor times a number that is known on the host: no tensor is made of the number, which on a GPU would be an upload. */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

defineFusedOp({
  kernelName: 'Scale',
  composite: ({ x }, { by }) => [tf.mul(x!, by as number)],
  gradient: { thunks: (dy, _saved, { by }) => ({ x: () => scale(dy, by as number) }) },
});

/**
 * @param x f32 of any shape
 * @returns `by * x`, f32 of that shape
 */
export function scale(x: Tensor, by: number): Tensor {
  return runFused('Scale', { x }, { by })[0];
}
