// Coded data to blocks of coefficients, and these to planes.

import { BLOCK, COMPONENTS, DELTAS, FAST_BITS, LIMITS, SYMBOLS, ZIGZAG } from './layout';
import { transform } from './transform';

const MOST_LEVEL: i32 = 8 * 1023;

let seen: i32 = 0;
/** Bytes that the last `unstuff` read, up to the marker. */
export function bytesSeen(): i32 {
  return seen;
}

/**
 * Copies coded data up to the next marker, without its stuffing and back to front, so that a 64-bit load has the first byte highest.
 * @returns the bytes copied; the first is at `top`, the next below it
 */
export function unstuff(source: i32, end: i32, top: i32): i32 {
  let from = source;
  let to = top + 1;
  const all = i8x16.splat(-1);
  while (from < end) {
    if (from + 16 <= end) {
      const bytes = v128.load(from);
      if (!v128.any_true(i8x16.eq(bytes, all))) {
        to -= 16;
        v128.store(to, i8x16.shuffle(bytes, bytes, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
        from += 16;
        continue;
      }
    }
    // Up to and with the next 0xff, byte by byte.
    while (from < end) {
      const byte = load<u8>(from);
      if (byte == 0xff) {
        if (from + 1 >= end || load<u8>(from + 1) != 0) {
          seen = from - source;
          return top + 1 - to;
        }
        from += 1;
      }
      from += 1;
      to -= 1;
      store<u8>(to, byte);
      if (byte == 0xff) break;
    }
  }
  seen = from - source;
  return top + 1 - to;
}

/**
 * Decodes units ("MCU") between two restarts into the planes.
 * @param top address of the first byte of what `unstuff` made; `bits` of them are data
 * @returns bits left over, or a negative number for a damaged stream
 */
export function decode(first: i32, count: i32, perRow: i32, components: i32, top: i32, bits: i32): i32 {
  let at: i32 = 0; // bits read
  let edge: i32 = -1; // up to which `word` has 32 unread bits
  let word: u64 = 0; // unread bits, the next one highest
  for (let c: i32 = 0; c < components; c++) store<i32>(COMPONENTS + (c << 5) + 28, 0);
  for (let unit: i32 = first; unit < first + count; unit++) {
    const row = unit / perRow;
    const column = unit - row * perRow;
    for (let c: i32 = 0; c < components; c++) {
      const component = COMPONENTS + (c << 5);
      const stride = load<i32>(component, 4);
      const across = load<i32>(component, 8);
      const down = load<i32>(component, 12);
      const quantisation = load<i32>(component, 16);
      const dc = load<i32>(component, 20);
      const ac = load<i32>(component, 24);
      for (let y: i32 = 0; y < down; y++) {
        let target = load<i32>(component) + ((row * down + y) * stride + column * across) * 8;
        for (let x: i32 = 0; x < across; x++, target += 8) {
          v128.store(BLOCK, i64x2.splat(0), 0);
          v128.store(BLOCK, i64x2.splat(0), 16);
          v128.store(BLOCK, i64x2.splat(0), 32);
          v128.store(BLOCK, i64x2.splat(0), 48);
          v128.store(BLOCK, i64x2.splat(0), 64);
          v128.store(BLOCK, i64x2.splat(0), 80);
          v128.store(BLOCK, i64x2.splat(0), 96);
          v128.store(BLOCK, i64x2.splat(0), 112);
          let table = dc;
          let place: i32 = 0;
          let last: i32 = 0;
          do {
            if (at > edge) {
              word = load<u64>(top - (at >>> 3) - 7) << (at & 7);
              edge = (at & ~7) + 32;
            }
            let entry = load<u32>(table + (<i32>(word >>> (64 - FAST_BITS)) << 2));
            let value = <i32>entry >> 16;
            let length = entry & 0xff;
            place += (entry >>> 8) & 15;
            if (value == 0) {
              if (entry == 0) {
                const head = <u32>(word >>> 48);
                length = FAST_BITS + 1;
                while (length <= 16 && head >= load<u32>(table + (<i32>length << 2), LIMITS)) length++;
                if (length > 16) return -1;
                const symbol = load<i32>(table + (<i32>length << 2), DELTAS) + <i32>(head >>> (16 - length));
                entry = load<u8>(table + (symbol & 255), SYMBOLS);
                place += <i32>(entry >>> 4);
                entry = (entry << 12) | ((entry >>> 4) << 8);
              }
              const size = (entry >>> 12) & 15;
              if (size == 0) {
                word <<= length;
                at += length;
                if (table == dc) {
                  // No difference to the block before.
                  store<i16>(BLOCK, <i16>load<i32>(component, 28));
                  table = ac;
                  place = 1;
                  continue;
                }
                if (((entry >>> 8) & 15) != 15) break;
                place += 1;
                continue;
              }
              const low = <i32>((word << length) >>> (64 - size));
              value = low < 1 << (size - 1) ? low - (1 << size) + 1 : low;
              length += size;
            }
            word <<= length;
            at += length;
            if (table == dc) {
              value += load<i32>(component, 28);
              store<i32>(component, value, 28);
              table = ac;
            }
            store<i16>(BLOCK + load<u8>(ZIGZAG + place), <i16>value);
            last = place;
            place += 1;
          } while (place < 64);
          if (place > 64) return -2;
          // Four times what black and white differ by: decoders disagree on what lies far outside.
          const level = load<i32>(component, 28) * <i32>load<i16>(quantisation);
          if (level > MOST_LEVEL || level < -MOST_LEVEL) return -4;
          transform(quantisation, target, stride, last);
        }
      }
    }
    if (at > bits) return -3;
  }
  return bits - at;
}
