/** Random tensors and comparisons for numeric tests. */
import assert from 'node:assert/strict';
import { type Tensor, tf } from '../../lib/engine/tf.ts';

/** A deterministic stream of numbers, roughly normal, from a seed. */
export function normals(seed: number): () => number {
  let state = seed >>> 0 || 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** A random float32 tensor, the same on every engine. */
export function randomTensor(shape: number[], seed: number, scale = 1): Tensor {
  const next = normals(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => next() * scale),
    shape,
  );
}

/** max|a - b| / max|b|, the measure of the golden fixtures. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length, 'number of elements');
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i]!)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return largest === 0 ? difference : difference / largest;
}

/** Fails unless shapes agree and the relative error is within `limit`. */
export function assertClose(actual: Tensor, expected: Tensor, limit: number, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, `${what}: shape`);
  const error = relativeError(actual.dataSync(), expected.dataSync());
  assert.ok(error <= limit, `${what}: relative error ${error} above ${limit}`);
}
