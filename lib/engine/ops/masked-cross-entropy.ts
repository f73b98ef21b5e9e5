/** Cross-entropy of each row against its label; rows with a negative label count nothing and get no gradient. */
import { type Tensor, type Tensor1D, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

/** f32[N]: 1 where the row is supervised. */
function supervised(labels: Tensor): Tensor {
  return tf.cast(tf.greaterEqual(labels, 0), 'float32');
}

defineFusedOp({
  kernelName: 'MaskedCrossEntropy',
  composite: ({ logits, labels }) => {
    const [rows, vocabulary] = logits!.shape as [number, number];
    const top = tf.max(logits!, -1, true);
    const lse = tf.add(tf.squeeze(top, [1]), tf.log(tf.sum(tf.exp(tf.sub(logits!, top)), -1)));
    const index = tf.add(tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(vocabulary, 'int32')), tf.maximum(labels!, 0));
    const picked = tf.gather(tf.reshape(logits!, [-1]), tf.cast(index, 'int32') as Tensor1D);
    return [tf.mul(tf.sub(lse, picked), supervised(labels!)), lse];
  },
  gradient: {
    savedInputs: { logits: ['logits'], labels: ['logits'] },
    savedOutputs: { 1: ['logits'] },
    thunks: (dy, { logits, labels, out1 }) => ({
      logits: () => runFused('MaskedCrossEntropyGrad', { dy, logits, labels, lse: out1 })[0],
    }),
  },
});

defineFusedOp({
  kernelName: 'MaskedCrossEntropyGrad',
  composite: ({ dy, logits, labels, lse }) => {
    const vocabulary = logits!.shape[1]!;
    const p = tf.exp(tf.sub(logits!, tf.expandDims(lse!, 1)));
    const target = tf.cast(tf.oneHot(tf.cast(labels!, 'int32') as Tensor1D, vocabulary), 'float32');
    return [tf.mul(tf.sub(p, target), tf.expandDims(tf.mul(dy!, supervised(labels!)), 1))];
  },
});

/**
 * @param logits f32[N, V]
 * @param labels int32[N], negative = not supervised
 * @returns negative log-likelihood in nats, f32[N]
 */
export function maskedCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const [nll, lse] = runFused('MaskedCrossEntropy', { logits, labels });
  lse!.dispose();
  return nll!;
}
