// Planes to RGB, colour made as fine as light.

import { COMPONENTS, LINES, LINE_BYTES } from './layout';

/**
 * Planes to lines of RGB.
 * @param across of colour: 0 there is none, 1 as wide as light, 2 half as wide; `down` likewise
 * @param places width of the colour planes without what fills the last unit; `lines` their height
 */
export function colour(
  from: i32, to: i32, width: i32, across: i32, down: i32, places: i32, lines: i32, target: i32,
): void {
  const lightPlane = load<i32>(COMPONENTS, 0);
  const lightStride = load<i32>(COMPONENTS, 4);
  const stride = load<i32>(COMPONENTS, 36);
  for (let y = from; y < to; y++, target += width * 3) {
    const light = lightPlane + y * lightStride;
    if (across == 0) {
      grey(light, width, target);
      continue;
    }
    const near = down == 2 ? y >> 1 : y;
    const far = min(max(near + ((y & 1) << 1) - 1, 0), lines - 1);
    let blue = load<i32>(COMPONENTS, 32) + near * stride;
    let red = load<i32>(COMPONENTS, 64) + near * stride;
    if (across == 2) {
      if (down == 2) {
        const step = (far - near) * stride;
        widenSums(blue, blue + step, places, LINES);
        widenSums(red, red + step, places, LINES + LINE_BYTES);
      } else {
        widen(blue, places, LINES);
        widen(red, places, LINES + LINE_BYTES);
      }
      blue = LINES;
      red = LINES + LINE_BYTES;
    }
    mix(light, blue, red, width, target);
  }
}

/** Twice as wide: three parts of the near place, one of the next. */
function widen(line: i32, places: i32, target: i32): void {
  store<u8>(line - 1, load<u8>(line));
  store<u8>(line + places, load<u8>(line + places - 1));
  const three = i16x8.splat(3);
  const one = i16x8.splat(1);
  const two = i16x8.splat(2);
  for (let end = line + places; line < end; line += 8, target += 16) {
    const here = i16x8.mul(v128.load_ext<u8>(line), three);
    const before = i16x8.add(i16x8.add(here, v128.load_ext<u8>(line - 1)), one);
    const after = i16x8.add(i16x8.add(here, v128.load_ext<u8>(line + 1)), two);
    v128.store(target, v128.or(i16x8.shr_u(before, 2), i16x8.shl(i16x8.shr_u(after, 2), 8)));
  }
}

/** Twice as wide and between two lines: the same by both axes, rounded once. */
function widenSums(near: i32, far: i32, places: i32, target: i32): void {
  const sums = LINES + 2 * LINE_BYTES + 16;
  const three = i16x8.splat(3);
  for (let at = 0; at < places; at += 16, near += 16, far += 16) {
    const a = v128.load(near);
    const b = v128.load(far);
    const low = i16x8.add(i16x8.mul(i16x8.extend_low_i8x16_u(a), three), i16x8.extend_low_i8x16_u(b));
    const high = i16x8.add(i16x8.mul(i16x8.extend_high_i8x16_u(a), three), i16x8.extend_high_i8x16_u(b));
    v128.store(sums + (at << 1), low);
    v128.store(sums + (at << 1), high, 16);
  }
  store<u16>(sums - 2, load<u16>(sums));
  store<u16>(sums + (places << 1), load<u16>(sums + (places << 1) - 2));
  const eight = i16x8.splat(8);
  const seven = i16x8.splat(7);
  for (let line = sums, end = sums + (places << 1); line < end; line += 16, target += 16) {
    const here = i16x8.mul(v128.load(line), three);
    const before = i16x8.add(i16x8.add(here, v128.load(line - 2)), eight);
    const after = i16x8.add(i16x8.add(here, v128.load(line + 2)), seven);
    v128.store(target, v128.or(i16x8.shr_u(before, 4), i16x8.shl(i16x8.shr_u(after, 4), 8)));
  }
}

function grey(light: i32, width: i32, target: i32): void {
  for (let end = light + width; light < end; light += 16, target += 48) {
    const y = v128.load(light);
    v128.store(target, i8x16.shuffle(y, y, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5), 0);
    v128.store(target, i8x16.shuffle(y, y, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10), 16);
    v128.store(target, i8x16.shuffle(y, y, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15), 32);
  }
}

/** Light and colour to RGB, 16 places at a time; what is written behind the line belongs to the next one or to nobody. */
function mix(light: i32, blue: i32, red: i32, width: i32, target: i32): void {
  const middle = i16x8.splat(128);
  // 1.402 = 1 + 13173 / 32768 and 1.772 = 2 - 7471 / 32768, with equal rounding for all 256 values.
  const redFactor = i16x8.splat(13173);
  const blueFactor = i16x8.splat(-7471);
  // -0.34414 and -0.71414 = -1 + 9367 / 32768
  const greenFactors = i16x8(-11277, 9367, -11277, 9367, -11277, 9367, -11277, 9367);
  const half = i32x4.splat(16384);
  for (let end = light + width; light < end; light += 16, blue += 16, red += 16, target += 48) {
    const y = v128.load(light);
    const b = v128.load(blue);
    const r = v128.load(red);
    const yLow = i16x8.extend_low_i8x16_u(y);
    const yHigh = i16x8.extend_high_i8x16_u(y);
    const bLow = i16x8.sub(i16x8.extend_low_i8x16_u(b), middle);
    const bHigh = i16x8.sub(i16x8.extend_high_i8x16_u(b), middle);
    const rLow = i16x8.sub(i16x8.extend_low_i8x16_u(r), middle);
    const rHigh = i16x8.sub(i16x8.extend_high_i8x16_u(r), middle);
    const reds = i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.add(yLow, rLow), i16x8.q15mulr_sat_s(rLow, redFactor)),
      i16x8.add(i16x8.add(yHigh, rHigh), i16x8.q15mulr_sat_s(rHigh, redFactor)));
    const blues = i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.add(yLow, i16x8.add(bLow, bLow)), i16x8.q15mulr_sat_s(bLow, blueFactor)),
      i16x8.add(i16x8.add(yHigh, i16x8.add(bHigh, bHigh)), i16x8.q15mulr_sat_s(bHigh, blueFactor)));
    const gLow = i16x8.narrow_i32x4_s(
      i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(
        i16x8.shuffle(bLow, rLow, 0, 8, 1, 9, 2, 10, 3, 11), greenFactors), half), 15),
      i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(
        i16x8.shuffle(bLow, rLow, 4, 12, 5, 13, 6, 14, 7, 15), greenFactors), half), 15));
    const gHigh = i16x8.narrow_i32x4_s(
      i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(
        i16x8.shuffle(bHigh, rHigh, 0, 8, 1, 9, 2, 10, 3, 11), greenFactors), half), 15),
      i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(
        i16x8.shuffle(bHigh, rHigh, 4, 12, 5, 13, 6, 14, 7, 15), greenFactors), half), 15));
    const greens = i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.sub(yLow, rLow), gLow), i16x8.add(i16x8.sub(yHigh, rHigh), gHigh));
    const rg = i8x16.shuffle(reds, greens, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const rgHigh = i8x16.shuffle(reds, greens, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    v128.store(target, i8x16.shuffle(rg, blues, 0, 1, 16, 2, 3, 17, 4, 5, 18, 6, 7, 19, 8, 9, 20, 10), 0);
    const across = i8x16.shuffle(rg, rgHigh, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26);
    v128.store(target, i8x16.shuffle(across, blues, 0, 21, 1, 2, 22, 3, 4, 23, 5, 6, 24, 7, 8, 25, 9, 10), 16);
    v128.store(target, i8x16.shuffle(rgHigh, blues, 26, 6, 7, 27, 8, 9, 28, 10, 11, 29, 12, 13, 30, 14, 15, 31), 32);
  }
}
