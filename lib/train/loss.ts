/** From the losses of single tokens to the number that is differentiated or reported. */
import { type Tensor, tf } from '../engine/tf.ts';

/**
 * The sum of a micro-batch's token losses over the supervised tokens of the whole global batch: added up over micro-batches and
 * processes it is the mean over all tokens, however they are spread.
 * @param losses f32[N]
 * @param tokens supervised tokens of the global batch, at least 1
 * @returns f32 scalar
 */
export function shareOfMean(losses: Tensor, tokens: number): Tensor {
  return tf.tidy(() => tf.div(tf.sum(losses), tokens));
}
