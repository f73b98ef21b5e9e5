/**
 * Floats of eight bits as tables. E4M3 and E5M2: Micikevicius et al. 2022 (arXiv 2209.05433), where E4M3 has no infinity and one NaN per
 * sign; E8M0, a power of two: OCP Microscaling Formats 1.0.
 */

export type Float8 = 'F8_E4M3' | 'F8_E5M2' | 'F8_E8M0';

function table(value: (word: number) => number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, word) => value(word));
}

/** @returns the value of a word with `mantissa` bits below its exponent, infinities and NaN aside */
function finite(word: number, { mantissa, bias }: { mantissa: number; bias: number }): number {
  const sign = word & 128 ? -1 : 1;
  const exponent = (word & 127) >> mantissa;
  const fraction = (word & ((1 << mantissa) - 1)) / (1 << mantissa);
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

function e5m2(word: number): number {
  if ((word & 0x7c) !== 0x7c) return finite(word, { mantissa: 2, bias: 15 });
  if (word & 3) return Number.NaN;
  return word & 128 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Value of each word. */
export const FLOAT8: Readonly<Record<Float8, Float32Array>> = {
  F8_E4M3: table((word) => ((word & 127) === 127 ? Number.NaN : finite(word, { mantissa: 3, bias: 7 }))),
  F8_E5M2: table(e5m2),
  F8_E8M0: table((word) => (word === 255 ? Number.NaN : 2 ** (word - 127))),
};
