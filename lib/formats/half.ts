/** Conversions between float32 and the two 16-bit formats, IEEE binary16 and bfloat16, each as raw words. */

/** binary16 words to float32, exact; subnormals, infinities and NaN included. */
export function halfToFloat32(words: Uint16Array): Float32Array {
  const result = new Float32Array(words.length);
  const bits = new Uint32Array(result.buffer);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const sign = (word & 0x8000) << 16;
    const exponent = (word >>> 10) & 31;
    const fraction = word & 1023;
    if (exponent === 0) {
      result[i] = fraction * 2 ** -24;
      bits[i] = bits[i]! | sign;
    } else {
      bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
    }
  }
  return result;
}

/** bfloat16 words to float32, exact. */
export function bfloat16ToFloat32(words: Uint16Array): Float32Array {
  const result = new Float32Array(words.length);
  const bits = new Uint32Array(result.buffer);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
  return result;
}

/** float32 to bfloat16 words, ties to even; NaN stays NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const words = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const notANumber = (word & 0x7fffffff) > 0x7f800000;
    words[i] = notANumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return words;
}

/** `value / 2^shift` rounded to nearest, ties to even. */
function shiftRounded(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return rest > tie || (rest === tie && (kept & 1) === 1) ? kept + 1 : kept;
}

/** float32 to binary16 words, ties to even; above 65519.99 becomes infinity, NaN stays NaN. */
export function float32ToHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const words = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const sign = (word >>> 16) & 0x8000;
    const exponent = (word >>> 23) & 255;
    const fraction = word & 0x7fffff;
    let half: number;
    if (exponent === 255) half = 0x7c00 | (fraction === 0 ? 0 : 0x200 | (fraction >>> 13));
    else if (exponent > 142) half = 0x7c00;
    else if (exponent > 112) half = Math.min(shiftRounded(((exponent - 112) << 23) | fraction, 13), 0x7c00);
    else if (exponent > 101) half = shiftRounded(fraction | 0x800000, 126 - exponent);
    else half = 0;
    words[i] = sign | half;
  }
  return words;
}
