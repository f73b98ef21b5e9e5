/** Gated activation of LLaMA's MLP, `silu(gate) * up` (arXiv 2002.05202). */
import { type Tensor, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

defineFusedOp({
  kernelName: 'SwiGlu',
  composite: ({ gate, up }) => [tf.mul(tf.mul(gate!, tf.sigmoid(gate!)), up!)],
  gradient: {
    savedInputs: { gate: ['gate', 'up'], up: ['gate', 'up'] },
    thunks: (dy, { gate, up }) => {
      let grads: Tensor[] | undefined;
      const grad = (i: number) => {
        grads ??= runFused('SwiGluGrad', { dy, gate, up });
        return grads[i]!;
      };
      return { gate: () => grad(0), up: () => grad(1) };
    },
  },
});

defineFusedOp({
  kernelName: 'SwiGluGrad',
  composite: ({ dy, gate, up }) => {
    const sigmoid = tf.sigmoid(gate!);
    const silu = tf.mul(gate!, sigmoid);
    const slope = tf.mul(sigmoid, tf.add(1, tf.sub(gate!, silu)));
    return [tf.mul(tf.mul(dy!, up!), slope), tf.mul(dy!, silu)];
  },
});

/**
 * @param gate f32[..., D]
 * @param up f32[..., D]
 * @returns f32[..., D]
 */
export function swiGlu(gate: Tensor, up: Tensor): Tensor {
  return runFused('SwiGlu', { gate, up })[0];
}
