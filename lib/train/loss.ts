/** From the losses of single tokens to the number that is differentiated or reported. */
import { type Tensor, tf } from '../engine/tf.ts';

/**
 * How much a supervised token counts. `token`: all alike, so a long answer counts more than a short one. `answer-root`: a token of an
 * answer of n tokens counts n^-1/2, so an answer counts as the root of its length and short ones are not drowned.
 */
export type LossWeighting = 'token' | 'answer-root';

/**
 * The sum of a micro-batch's token losses over the supervised tokens of the whole global batch: added up over micro-batches and
 * processes it is the mean over all tokens, however they are spread.
 * @param losses f32[N]
 * @param total supervised tokens of the global batch, or the sum of their weights; above 0
 * @param weights f32[N], absent: 1 each
 * @returns f32 scalar
 */
export function shareOfMean(losses: Tensor, total: number, weights?: Float32Array): Tensor {
  return tf.tidy(() => {
    const weighted = weights === undefined ? losses : tf.mul(losses, tf.tensor1d(weights));
    return tf.div(tf.sum(weighted), total);
  });
}

/**
 * The weight of each supervised token in the order of `supervisedPlaces`. An answer is a run of supervised tokens: what is not
 * supervised, such as the next question, stands between two answers of a row, packed or not.
 * @param batch labels int32[B * T], negative where there is no loss, and [B, T]
 * @returns f32[N]
 */
export function answerWeights({
  labels,
  shape,
}: {
  labels: Int32Array;
  shape: readonly [number, number];
}): Float32Array {
  const [B, T] = shape;
  const weights: number[] = [];
  for (let b = 0; b < B; b++) {
    // The first token of a row is never predicted, so it belongs to no answer.
    for (let t = 1; t < T; ) {
      let length = 0;
      while (t + length < T && (labels[b * T + t + length] ?? -1) >= 0) length++;
      for (let i = 0; i < length; i++) weights.push(length ** -0.5);
      t += Math.max(1, length);
    }
  }
  return Float32Array.from(weights);
}
