/** How fast this machine multiplies matrices at best: what shares of the peak are of. */
import { tf } from '../../engine/tf.ts';

/** Large enough that nothing but the product counts, small enough to take a tenth of a second on two cores. */
const SIZE = 2048;
const REPEATS = 4;

/** Float32 operations a second of the fastest of a few large products on the engine that is open. */
export async function matmulSpeed(): Promise<{ flops: number }> {
  const a = tf.randomNormal([SIZE, SIZE], 0, 1, 'float32', 1);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPEATS; i++) {
    const start = performance.now();
    const product = tf.matMul(a, a);
    // An engine may put work off until a value is read.
    const corner = tf.slice(product, [0, 0], [1, 1]);
    await corner.data();
    best = Math.min(best, (performance.now() - start) / 1000);
    tf.dispose([product, corner]);
  }
  a.dispose();
  return { flops: (2 * SIZE ** 3) / best };
}
