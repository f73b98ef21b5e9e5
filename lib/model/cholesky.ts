/** Linear equations of a symmetric positive definite matrix, in double precision on the host; TensorFlow.js has none. */

/**
 * Solves A X = B by Cholesky's factorisation. Both arrays are overwritten.
 * @param a f64[n, n], row-major, symmetric
 * @param b f64[n, m], row-major
 * @returns X f64[n, m], in the memory of `b`
 * @throws RangeError where A is not positive definite
 */
export function choleskySolve(a: Float64Array, b: Float64Array): Float64Array {
  const n = Math.round(Math.sqrt(a.length));
  const rows = Array.from({ length: n }, (_, i) => a.subarray(i * n, (i + 1) * n));
  factor(rows);
  const m = b.length / n;
  const right = Array.from({ length: n }, (_, i) => b.subarray(i * m, (i + 1) * m));
  for (let i = 0; i < n; i++)
    eliminate(right, { row: i, from: 0, to: i, factor: (k) => entry(rows, i, k), own: entry(rows, i, i) });
  for (let i = n - 1; i >= 0; i--)
    eliminate(right, { row: i, from: i + 1, to: n, factor: (k) => entry(rows, k, i), own: entry(rows, i, i) });
  return b;
}

/** The lower triangle becomes L of A = L Lᵀ. */
function factor(rows: readonly Float64Array[]): void {
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j <= i; j++) {
      const other = rows[j] as Float64Array;
      let sum = row[j] as number;
      for (let k = 0; k < j; k++) sum -= (row[k] as number) * (other[k] as number);
      if (j < i) {
        row[j] = sum / (other[j] as number);
      } else if (sum > 0) {
        row[j] = Math.sqrt(sum);
      } else {
        throw new RangeError(`the matrix is not positive definite at row ${i}`);
      }
    }
  }
}

/** Row `row` of the right side less multiples of the rows from..to, over its own factor. */
function eliminate(
  right: readonly Float64Array[],
  {
    row,
    from,
    to,
    factor: of,
    own,
  }: { row: number; from: number; to: number; factor: (k: number) => number; own: number },
): void {
  const target = right[row] as Float64Array;
  for (let k = from; k < to; k++) {
    const source = right[k] as Float64Array;
    const times = of(k);
    for (let c = 0; c < target.length; c++) target[c] = (target[c] as number) - times * (source[c] as number);
  }
  for (let c = 0; c < target.length; c++) target[c] = (target[c] as number) / own;
}

function entry(rows: readonly Float64Array[], i: number, j: number): number {
  return (rows[i] as Float64Array)[j] as number;
}
