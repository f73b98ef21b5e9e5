/** Figures as the original evaluators print them. */

/**
 * Python's `round(value, digits)`: exact decimal value, halves to even.
 * @param digits 0 to 20
 */
export function roundHalfEven(value: number, digits: number): number {
  const rounded = value.toFixed(digits);
  // toFixed takes the larger of two equally near values. At a true tie the digits beyond are a 5 and zeros, exactly.
  const beyond =
    value
      .toFixed(Math.min(digits + 25, 100))
      .split('.')[1]
      ?.slice(digits) ?? '';
  if (!/^50*$/.test(beyond) || Number(rounded.at(-1)) % 2 === 0) return Number(rounded);
  return Number((Number(rounded) - Math.sign(value) * 10 ** -digits).toFixed(digits));
}

/** The mean times a factor that is applied to the sum, as the original evaluators do; 0 for no values. */
export function mean(values: readonly number[], factor = 1): number {
  return values.length === 0 ? 0 : (factor * values.reduce((sum, value) => sum + value, 0)) / values.length;
}
