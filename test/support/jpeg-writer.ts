/** JPEGs of invented coefficients, for what no encoder at hand writes: other fineness of colour, restarts, long codes. */

import { type RandomStream, randomStream } from '../../lib/core/rng.ts';

export interface InventedJpeg {
  width: number;
  height: number;
  /** Blocks of light in a unit, across and down; colour has one. Absent: light alone. */
  light?: readonly [number, number];
  /** Units between two restarts; 0: none. */
  restart?: number;
  seed: number;
}

/** Codes of each length, so that every length from 2 to 16 is there. */
const COUNTS = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
/** Each run of zeros with each size of a value, the end of a block and sixteen zeros. */
const AC_SYMBOLS = [0x00, 0xf0];
for (let run = 0; run < 16; run++) for (let size = 1; size <= 10; size++) AC_SYMBOLS.push((run << 4) | size);
const DC_COUNTS = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];

interface Code {
  counts: readonly number[];
  symbols: readonly number[];
  /** Code and length of each symbol. */
  words: Map<number, readonly [number, number]>;
}

function codeOf(counts: readonly number[], symbols: readonly number[]): Code {
  const words = new Map<number, readonly [number, number]>();
  let code = 0;
  for (const [place, count] of counts.entries()) {
    for (let used = 0; used < count; used++) words.set(symbols[words.size] as number, [code++, place + 1]);
    code <<= 1;
  }
  return { counts, symbols, words };
}

function shuffled(values: readonly number[], draw: (bound: number) => number): number[] {
  const rest = [...values];
  return values.map(() => rest.splice(draw(rest.length), 1)[0] as number);
}

/** Bits with a zero byte behind each of 0xff. */
function openBits(): { put: (value: number, length: number) => void; take: () => number[] } {
  let bytes: number[] = [];
  let word = 0;
  let held = 0;
  const put = (value: number, length: number): void => {
    for (let bit = length - 1; bit >= 0; bit--) {
      word = (word << 1) | ((value >> bit) & 1);
      if (++held < 8) continue;
      bytes.push(word, ...(word === 0xff ? [0] : []));
      [word, held] = [0, 0];
    }
  };
  return {
    put,
    take() {
      while (held > 0) put(1, 1);
      const done = bytes;
      bytes = [];
      return done;
    },
  };
}

/** A whole baseline JPEG; equal requests give equal bytes. */
export function inventJpeg({ width, height, light, restart = 0, seed }: InventedJpeg): Uint8Array {
  const random: RandomStream = randomStream(seed, 3);
  let draws = 0;
  const draw = (bound: number): number => random.integer(draws++, bound);
  const dc = codeOf(DC_COUNTS, shuffled([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], draw));
  const ac = codeOf(COUNTS, shuffled(AC_SYMBOLS, draw));
  const samplings = light === undefined ? [[1, 1] as const] : [light, [1, 1] as const, [1, 1] as const];
  const [across, down] = light ?? [1, 1];
  const units = Math.ceil(width / (8 * across)) * Math.ceil(height / (8 * down));
  const bits = openBits();
  const levels = samplings.map(() => 0);
  const data: number[] = [];
  for (let unit = 0; unit < units; unit++) {
    if (restart > 0 && unit > 0 && unit % restart === 0) {
      data.push(...bits.take(), 0xff, 0xd0 + ((unit / restart - 1) & 7));
      levels.fill(0);
    }
    for (const [component, [wide, high]] of samplings.entries()) {
      for (let block = 0; block < wide * high; block++) {
        const level = draw(256) - 128;
        putBlock(bits.put, { dc, ac, draw, difference: level - (levels[component] as number) });
        levels[component] = level;
      }
    }
  }
  data.push(...bits.take());
  const factors = Array.from({ length: 64 }, () => 1 + draw(7));
  factors[0] = 8;
  const count = samplings.length;
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...segment(0xdb, [0, ...factors]),
    ...segment(0xc0, [
      ...[8, height >> 8, height & 255, width >> 8, width & 255, count],
      ...samplings.flatMap(([wide, high], place) => [place + 1, (wide << 4) | high, 0]),
    ]),
    ...segment(0xc4, [0x00, ...dc.counts, ...dc.symbols, 0x10, ...ac.counts, ...ac.symbols]),
    ...(restart > 0 ? segment(0xdd, [restart >> 8, restart & 255]) : []),
    ...segment(0xda, [count, ...samplings.flatMap((_, place) => [place + 1, 0x00]), 0, 63, 0]),
    ...data,
    ...[0xff, 0xd9],
  ]);
}

function segment(marker: number, content: readonly number[]): number[] {
  const length = content.length + 2;
  return [0xff, marker, length >> 8, length & 255, ...content];
}

function putBlock(
  put: (value: number, length: number) => void,
  { dc, ac, draw, difference }: { dc: Code; ac: Code; draw: (bound: number) => number; difference: number },
): void {
  const symbol = (code: Code, name: number): void => put(...(code.words.get(name) as readonly [number, number]));
  const value = (given: number, size: number): void => put(given < 0 ? given + (1 << size) - 1 : given, size);
  const sizeOf = (given: number): number => 32 - Math.clz32(Math.abs(given));
  symbol(dc, sizeOf(difference));
  value(difference, sizeOf(difference));
  // Blocks with nothing more, with a few values and with all of them.
  const density = [0, 3, 64][draw(3)] as number;
  let zeros = 0;
  for (let place = 1; place < 64; place++) {
    const given = draw(64) < density ? draw(17) - 8 : 0;
    if (given === 0) {
      zeros++;
      continue;
    }
    for (; zeros > 15; zeros -= 16) symbol(ac, 0xf0);
    symbol(ac, (zeros << 4) | sizeOf(given));
    value(given, sizeOf(given));
    zeros = 0;
  }
  if (zeros > 0) symbol(ac, 0x00);
}
