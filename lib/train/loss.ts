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

/**
 * The reference's `reduction='none'`: each row's summed loss over all its T - 1 predictable places, supervised or not
 * (reference.md 3.2 and 7.7). It ranks candidates of one padded length, and is kept for that; it is no mean over answer tokens.
 * @param request token losses f32[N] on the host, their places b * T + t, and [B, T]
 * @returns f32[B]
 */
export function rowLosses(request: {
  losses: ArrayLike<number>;
  places: Int32Array;
  shape: readonly [number, number];
}): Float32Array {
  const { losses, places, shape } = request;
  const [B, T] = shape;
  const sums = new Float64Array(B);
  places.forEach((place, i) => {
    const row = Math.floor(place / T);
    sums[row] = (sums[row] ?? 0) + (losses[i] ?? 0);
  });
  return Float32Array.from(sums, (sum) => sum / (T - 1));
}
