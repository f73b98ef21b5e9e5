import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomStream } from '../../../lib/core/rng.ts';
import { choleskySolve } from '../../../lib/model/cholesky.ts';

const random = randomStream(7);

/** f64[rows, columns] of -1 to 1. */
function matrix(rows: number, columns: number, first: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) => 2 * random.uniform(first + i) - 1);
}

/** a b, or aᵀ b. */
function product(
  a: Float64Array,
  b: Float64Array,
  size: { rows: number; inner: number; columns: number },
): Float64Array {
  const { rows, inner, columns } = size;
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [r, c] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += (a[r * inner + k] ?? 0) * (b[k * columns + c] ?? 0);
    return sum;
  });
}

for (const [n, m] of [
  [1, 1],
  [2, 5],
  [37, 3],
] as const) {
  test(`${n} equations with ${m} right sides are solved to double precision`, () => {
    const root = matrix(n, n, 0);
    const transposed = Float64Array.from(root, (_, i) => root[(i % n) * n + Math.floor(i / n)] ?? 0);
    const a = product(root, transposed, { rows: n, inner: n, columns: n });
    for (let i = 0; i < n; i++) a[i * n + i] = (a[i * n + i] ?? 0) + 0.5;
    const x = matrix(n, m, 5000);
    const b = product(a, x, { rows: n, inner: n, columns: m });
    const solved = choleskySolve(a, b);
    assert.ok(solved.every((value, i) => Math.abs(value - (x[i] ?? 0)) < 1e-11));
  });
}

test('a matrix that is not positive definite is refused with the row where that shows', () => {
  const refused = (values: number[]) => () => choleskySolve(Float64Array.from(values), new Float64Array(2));
  assert.throws(refused([1, 2, 2, 1]), /not positive definite at row 1/);
  assert.throws(refused([-1, 0, 0, 1]), /not positive definite at row 0/);
  assert.throws(refused([Number.NaN, 0, 0, 1]), /row 0/);
});
