// A block of coefficients to eight rows of eight samples.

import { BLOCK } from './layout';

/**
 * @param last place of the last coefficient in stream order that is not zero
 */
export function transform(quantisation: i32, target: i32, stride: i32, last: i32): void {
  if (last == 0) {
    // What both directions come to.
    const level = <i32>load<i16>(BLOCK) * <i32>load<i16>(quantisation);
    const byte = min(max((level + 4) >> 3, -128), 127) + 128;
    const word = <u64>byte * 0x0101010101010101;
    for (let y: i32 = 0; y < 8; y++, target += stride) store<u64>(target, word);
    return;
  }
  for (let at: i32 = 0; at < 128; at += 16) {
    v128.store(BLOCK + at, i16x8.mul(v128.load(BLOCK + at), v128.load(quantisation + at)));
  }
  pass<u16>(0, 0);
  pass<u8>(target, stride);
}

/** One direction; as u16 it leaves 16-bit values, turned over, in the block, as u8 it writes eight rows of eight bytes. */
function pass<T>(target: i32, stride: i32): void {
  const SHIFT: i32 = sizeof<T>() == 1 ? 18 : 11;
  const half = i32x4.splat(1 << (SHIFT - 1));
  const x0 = v128.load(BLOCK, 0);
  const x1 = v128.load(BLOCK, 16);
  const x2 = v128.load(BLOCK, 32);
  const x3 = v128.load(BLOCK, 48);
  const x4 = v128.load(BLOCK, 64);
  const x5 = v128.load(BLOCK, 80);
  const x6 = v128.load(BLOCK, 96);
  const x7 = v128.load(BLOCK, 112);

  // Even places: factors in 13 fraction bits.
  const sum = i16x8.add(x0, x4);
  const difference = i16x8.sub(x0, x4);
  const sumLow = i32x4.add(i32x4.shl(i32x4.extend_low_i16x8_s(sum), 13), half);
  const sumHigh = i32x4.add(i32x4.shl(i32x4.extend_high_i16x8_s(sum), 13), half);
  const differenceLow = i32x4.add(i32x4.shl(i32x4.extend_low_i16x8_s(difference), 13), half);
  const differenceHigh = i32x4.add(i32x4.shl(i32x4.extend_high_i16x8_s(difference), 13), half);
  const evenLow = i16x8.shuffle(x2, x6, 0, 8, 1, 9, 2, 10, 3, 11);
  const evenHigh = i16x8.shuffle(x2, x6, 4, 12, 5, 13, 6, 14, 7, 15);
  const innerFactors = i16x8(4433, -10704, 4433, -10704, 4433, -10704, 4433, -10704);
  const outerFactors = i16x8(10703, 4433, 10703, 4433, 10703, 4433, 10703, 4433);
  const innerLow = i32x4.dot_i16x8_s(evenLow, innerFactors);
  const innerHigh = i32x4.dot_i16x8_s(evenHigh, innerFactors);
  const outerLow = i32x4.dot_i16x8_s(evenLow, outerFactors);
  const outerHigh = i32x4.dot_i16x8_s(evenHigh, outerFactors);
  const e0Low = i32x4.add(sumLow, outerLow);
  const e0High = i32x4.add(sumHigh, outerHigh);
  const e3Low = i32x4.sub(sumLow, outerLow);
  const e3High = i32x4.sub(sumHigh, outerHigh);
  const e1Low = i32x4.add(differenceLow, innerLow);
  const e1High = i32x4.add(differenceHigh, innerHigh);
  const e2Low = i32x4.sub(differenceLow, innerLow);
  const e2High = i32x4.sub(differenceHigh, innerHigh);

  // Odd places.
  const z3 = i16x8.add(x3, x7);
  const z4 = i16x8.add(x1, x5);
  const zLow = i16x8.shuffle(z3, z4, 0, 8, 1, 9, 2, 10, 3, 11);
  const zHigh = i16x8.shuffle(z3, z4, 4, 12, 5, 13, 6, 14, 7, 15);
  const z3Factors = i16x8(-6436, 9633, -6436, 9633, -6436, 9633, -6436, 9633);
  const z4Factors = i16x8(9633, 6437, 9633, 6437, 9633, 6437, 9633, 6437);
  const z3Low = i32x4.dot_i16x8_s(zLow, z3Factors);
  const z3High = i32x4.dot_i16x8_s(zHigh, z3Factors);
  const z4Low = i32x4.dot_i16x8_s(zLow, z4Factors);
  const z4High = i32x4.dot_i16x8_s(zHigh, z4Factors);
  const seventhLow = i16x8.shuffle(x7, x1, 0, 8, 1, 9, 2, 10, 3, 11);
  const seventhHigh = i16x8.shuffle(x7, x1, 4, 12, 5, 13, 6, 14, 7, 15);
  const fifthLow = i16x8.shuffle(x5, x3, 0, 8, 1, 9, 2, 10, 3, 11);
  const fifthHigh = i16x8.shuffle(x5, x3, 4, 12, 5, 13, 6, 14, 7, 15);
  const o0Factors = i16x8(-7373, 4926, -7373, 4926, -7373, 4926, -7373, 4926);
  const o1Factors = i16x8(-20995, 4177, -20995, 4177, -20995, 4177, -20995, 4177);
  const o2Factors = i16x8(-4176, -20995, -4176, -20995, -4176, -20995, -4176, -20995);
  const o3Factors = i16x8(-4927, -7373, -4927, -7373, -4927, -7373, -4927, -7373);
  const o0Low = i32x4.add(i32x4.dot_i16x8_s(seventhLow, o0Factors), z4Low);
  const o0High = i32x4.add(i32x4.dot_i16x8_s(seventhHigh, o0Factors), z4High);
  const o1Low = i32x4.add(i32x4.dot_i16x8_s(fifthLow, o1Factors), z3Low);
  const o1High = i32x4.add(i32x4.dot_i16x8_s(fifthHigh, o1Factors), z3High);
  const o2Low = i32x4.add(i32x4.dot_i16x8_s(fifthLow, o2Factors), z4Low);
  const o2High = i32x4.add(i32x4.dot_i16x8_s(fifthHigh, o2Factors), z4High);
  const o3Low = i32x4.add(i32x4.dot_i16x8_s(seventhLow, o3Factors), z3Low);
  const o3High = i32x4.add(i32x4.dot_i16x8_s(seventhHigh, o3Factors), z3High);

  const y0 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.add(e0Low, o0Low), SHIFT), i32x4.shr_s(i32x4.add(e0High, o0High), SHIFT));
  const y7 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.sub(e0Low, o0Low), SHIFT), i32x4.shr_s(i32x4.sub(e0High, o0High), SHIFT));
  const y1 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.add(e1Low, o1Low), SHIFT), i32x4.shr_s(i32x4.add(e1High, o1High), SHIFT));
  const y6 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.sub(e1Low, o1Low), SHIFT), i32x4.shr_s(i32x4.sub(e1High, o1High), SHIFT));
  const y2 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.add(e2Low, o2Low), SHIFT), i32x4.shr_s(i32x4.add(e2High, o2High), SHIFT));
  const y5 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.sub(e2Low, o2Low), SHIFT), i32x4.shr_s(i32x4.sub(e2High, o2High), SHIFT));
  const y3 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.add(e3Low, o3Low), SHIFT), i32x4.shr_s(i32x4.add(e3High, o3High), SHIFT));
  const y4 = i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.sub(e3Low, o3Low), SHIFT), i32x4.shr_s(i32x4.sub(e3High, o3High), SHIFT));

  if (sizeof<T>() == 1) {
    const middle = i8x16.splat(-128);
    const n04 = v128.xor(i8x16.narrow_i16x8_s(y0, y4), middle);
    const n15 = v128.xor(i8x16.narrow_i16x8_s(y1, y5), middle);
    const n26 = v128.xor(i8x16.narrow_i16x8_s(y2, y6), middle);
    const n37 = v128.xor(i8x16.narrow_i16x8_s(y3, y7), middle);
    const n02 = i8x16.shuffle(n04, n26, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const n46 = i8x16.shuffle(n04, n26, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const n13 = i8x16.shuffle(n15, n37, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const n57 = i8x16.shuffle(n15, n37, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const left0 = i8x16.shuffle(n02, n13, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const left4 = i8x16.shuffle(n02, n13, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const right0 = i8x16.shuffle(n46, n57, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const right4 = i8x16.shuffle(n46, n57, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const r01 = i32x4.shuffle(left0, right0, 0, 4, 1, 5);
    const r23 = i32x4.shuffle(left0, right0, 2, 6, 3, 7);
    const r45 = i32x4.shuffle(left4, right4, 0, 4, 1, 5);
    const r67 = i32x4.shuffle(left4, right4, 2, 6, 3, 7);
    v128.store_lane<u64>(target, r01, 0);
    v128.store_lane<u64>((target += stride), r01, 1);
    v128.store_lane<u64>((target += stride), r23, 0);
    v128.store_lane<u64>((target += stride), r23, 1);
    v128.store_lane<u64>((target += stride), r45, 0);
    v128.store_lane<u64>((target += stride), r45, 1);
    v128.store_lane<u64>((target += stride), r67, 0);
    v128.store_lane<u64>(target + stride, r67, 1);
    return;
  }
  const a0 = i16x8.shuffle(y0, y4, 0, 8, 1, 9, 2, 10, 3, 11);
  const a1 = i16x8.shuffle(y0, y4, 4, 12, 5, 13, 6, 14, 7, 15);
  const a2 = i16x8.shuffle(y1, y5, 0, 8, 1, 9, 2, 10, 3, 11);
  const a3 = i16x8.shuffle(y1, y5, 4, 12, 5, 13, 6, 14, 7, 15);
  const a4 = i16x8.shuffle(y2, y6, 0, 8, 1, 9, 2, 10, 3, 11);
  const a5 = i16x8.shuffle(y2, y6, 4, 12, 5, 13, 6, 14, 7, 15);
  const a6 = i16x8.shuffle(y3, y7, 0, 8, 1, 9, 2, 10, 3, 11);
  const a7 = i16x8.shuffle(y3, y7, 4, 12, 5, 13, 6, 14, 7, 15);
  const b0 = i16x8.shuffle(a0, a4, 0, 8, 1, 9, 2, 10, 3, 11);
  const b1 = i16x8.shuffle(a0, a4, 4, 12, 5, 13, 6, 14, 7, 15);
  const b2 = i16x8.shuffle(a1, a5, 0, 8, 1, 9, 2, 10, 3, 11);
  const b3 = i16x8.shuffle(a1, a5, 4, 12, 5, 13, 6, 14, 7, 15);
  const b4 = i16x8.shuffle(a2, a6, 0, 8, 1, 9, 2, 10, 3, 11);
  const b5 = i16x8.shuffle(a2, a6, 4, 12, 5, 13, 6, 14, 7, 15);
  const b6 = i16x8.shuffle(a3, a7, 0, 8, 1, 9, 2, 10, 3, 11);
  const b7 = i16x8.shuffle(a3, a7, 4, 12, 5, 13, 6, 14, 7, 15);
  v128.store(BLOCK, i16x8.shuffle(b0, b4, 0, 8, 1, 9, 2, 10, 3, 11), 0);
  v128.store(BLOCK, i16x8.shuffle(b0, b4, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  v128.store(BLOCK, i16x8.shuffle(b1, b5, 0, 8, 1, 9, 2, 10, 3, 11), 32);
  v128.store(BLOCK, i16x8.shuffle(b1, b5, 4, 12, 5, 13, 6, 14, 7, 15), 48);
  v128.store(BLOCK, i16x8.shuffle(b2, b6, 0, 8, 1, 9, 2, 10, 3, 11), 64);
  v128.store(BLOCK, i16x8.shuffle(b2, b6, 4, 12, 5, 13, 6, 14, 7, 15), 80);
  v128.store(BLOCK, i16x8.shuffle(b3, b7, 0, 8, 1, 9, 2, 10, 3, 11), 96);
  v128.store(BLOCK, i16x8.shuffle(b3, b7, 4, 12, 5, 13, 6, 14, 7, 15), 112);
}
