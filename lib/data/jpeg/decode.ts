/**
 * Baseline JPEGs to RGB, byte for byte as libjpeg-turbo decodes them (and so Pillow and sharp), in a WebAssembly module that runs
 * wherever Node does, without a compiler (kernel.as). What is not a whole, plain, well-formed stream is not decoded at all, so that
 * what happens with every other file is what sharp does with it.
 */

import { type JpegCodes, type JpegHeader, readJpegHeader, ZIGZAG } from './header.ts';
import { JPEG_KERNEL } from './kernel.ts';

interface Kernel {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  unstuff(source: number, end: number, top: number): number;
  bytesSeen(): number;
  decode(first: number, count: number, perRow: number, components: number, top: number, bits: number): number;
  colour(...sizes: number[]): void;
}

/** The part of the standard that this file needs; TypeScript keeps it with the types of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** Pixels that lie in the module's memory. */
export interface DecodedJpeg {
  /** u8[height, width, 3]; valid until the next JPEG is decoded. */
  data: Uint8Array;
  width: number;
  height: number;
}

const PAGE = 65536;
/** Addresses that kernel.as shares. */
const AT = { zigzag: 256, quantisation: 512, components: 1024, codes: 4096, end: 81920 } as const;
/** Bytes of a code table, and its parts after the entries by first bits. */
const TABLE = { bytes: 4608, limits: 4096, deltas: 4224, symbols: 4352 } as const;
const FAST_BITS = 10;
/** What the lines that the kernel keeps have room for. */
const MAX_WIDTH = 16384;
/** The module's memory never shrinks: what would need more than this is left to sharp. */
const MAX_BYTES = 1 << 26;
/** Room beside lines and areas for what is read and written in vectors, and for a unit of a damaged stream. */
const MARGIN = 4096;
const EOI = 0xd9;
const RST0 = 0xd0;

let instance: Kernel | undefined;

/**
 * Decodes a JPEG of the plainest kind.
 * @param maxPixels larger ones are not decoded
 * @returns undefined for everything else, damaged or not
 */
export function decodeJpeg(bytes: Uint8Array, maxPixels: number): DecodedJpeg | undefined {
  const header = readJpegHeader(bytes);
  if (header === undefined || header.width * header.height > maxPixels || header.width > MAX_WIDTH) return undefined;
  const plan = layOut(header, bytes.length - header.start);
  if (plan.end > MAX_BYTES) return undefined;
  const kernel = kernelWith(plan.end);
  const memory = new Uint8Array(kernel.memory.buffer);
  if (!putTables(memory, header, plan)) return undefined;
  memory.set(bytes.subarray(header.start), plan.source);
  return decodeScan(kernel, { header, plan, memory, size: bytes.length - header.start });
}

interface Plan {
  unitsAcross: number;
  unitsDown: number;
  planes: { start: number; stride: number }[];
  /** The coded data as they came. */
  source: number;
  /** Where the first byte of them stands without stuffing. */
  top: number;
  pixels: number;
  end: number;
}

function layOut({ width, height, components }: JpegHeader, size: number): Plan {
  const [light] = components as [JpegHeader['components'][number]];
  const unitsAcross = Math.ceil(width / (8 * light.across));
  const unitsDown = Math.ceil(height / (8 * light.down));
  let end: number = AT.end;
  const take = (bytes: number): number => {
    const start = end;
    end += Math.ceil((bytes + MARGIN) / 64) * 64;
    return start;
  };
  const planes = components.map(({ across, down }) => {
    // Colour is read one place before and behind each line.
    const stride = unitsAcross * across * 8 + 32;
    return { start: take(stride * unitsDown * down * 8) + 16, stride };
  });
  const source = take(size);
  const top = take(size + MARGIN) + size + MARGIN;
  const pixels = take(width * height * 3);
  return { unitsAcross, unitsDown, planes, source, top, pixels, end };
}

/** The kernel with room for so many bytes. */
function kernelWith(bytes: number): Kernel {
  instance ??= startKernel();
  const missing = bytes - instance.memory.buffer.byteLength;
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE));
  return instance;
}

function startKernel(): Kernel {
  const kernel = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(JPEG_KERNEL, 'base64'))).exports as Kernel;
  const missing = Math.ceil(AT.end / PAGE) - kernel.memory.buffer.byteLength / PAGE;
  if (missing > 0) kernel.memory.grow(missing);
  // A damaged stream may run up to sixteen places beyond the block.
  const places = Uint8Array.from({ length: 80 }, (_, place) => 2 * (ZIGZAG[place] ?? place));
  new Uint8Array(kernel.memory.buffer).set(places, AT.zigzag);
  return kernel;
}

/** @returns false for a code that cannot be one */
function putTables(memory: Uint8Array, { components }: JpegHeader, { planes }: Plan): boolean {
  const words = new Int32Array(memory.buffer);
  const known = new Map<JpegCodes, number>();
  for (const [place, { across, down, quantisation, dc, ac }] of components.entries()) {
    const quantised = AT.quantisation + 128 * place;
    memory.set(new Uint8Array(quantisation.buffer), quantised);
    for (const codes of [dc, ac]) {
      if (known.has(codes)) continue;
      const table = AT.codes + TABLE.bytes * known.size;
      if (!putCodes(memory, codes, table)) return false;
      known.set(codes, table);
    }
    const { start, stride } = planes[place] as Plan['planes'][number];
    const tables = [known.get(dc) as number, known.get(ac) as number];
    words.set([start, stride, across, down, quantised, ...tables], (AT.components + 32 * place) / 4);
  }
  return true;
}

/**
 * A code as the kernel reads it. An entry by the first ten bits has the bits to go on by, the zeros before (from bit 8), the bits of the
 * value still to be read (from bit 12), and the value where those ten hold it too (from bit 16); 0 where the code is longer.
 */
function putCodes(memory: Uint8Array, { counts, symbols }: JpegCodes, table: number): boolean {
  const entries = new Int32Array(memory.buffer, table, 1 << FAST_BITS).fill(0);
  const limits = new Int32Array(memory.buffer, table + TABLE.limits, 17);
  const deltas = new Int32Array(memory.buffer, table + TABLE.deltas, 17);
  memory.set(symbols, table + TABLE.symbols);
  let code = 0;
  let used = 0;
  for (let length = 1; length <= 16; length++) {
    const count = counts[length - 1] as number;
    deltas[length] = used - code;
    for (let place = 0; place < count && length <= FAST_BITS; place++) {
      putEntries(entries, { code: code + place, length, symbol: symbols[used + place] as number });
    }
    code += count;
    used += count;
    if (code > 1 << length) return false;
    limits[length] = code << (16 - length);
    code <<= 1;
  }
  return true;
}

function putEntries(
  entries: Int32Array,
  { code, length, symbol }: { code: number; length: number; symbol: number },
): void {
  const free = FAST_BITS - length;
  const size = symbol & 15;
  const zeros = (symbol >> 4) << 8;
  for (let rest = 0; rest < 1 << free; rest++) {
    const low = rest >> (free - size);
    const value = low < 1 << (size - 1) ? low - (1 << size) + 1 : low;
    const whole = size > 0 && size <= free;
    entries[(code << free) | rest] = whole ? (value << 16) | zeros | (length + size) : (size << 12) | zeros | length;
  }
}

interface Scan {
  header: JpegHeader;
  plan: Plan;
  memory: Uint8Array;
  /** Bytes behind the header. */
  size: number;
}

function decodeScan(kernel: Kernel, { header, plan, memory, size }: Scan): DecodedJpeg | undefined {
  const { width, height, components, restart } = header;
  const units = plan.unitsAcross * plan.unitsDown;
  const end = plan.source + size;
  let at = plan.source;
  for (let first = 0, part = 0; first < units; part++) {
    const count = Math.min(restart === 0 ? units : restart, units - first);
    const bits = 8 * kernel.unstuff(at, end, plan.top);
    at += kernel.bytesSeen();
    const left = kernel.decode(first, count, plan.unitsAcross, components.length, plan.top, bits);
    first += count;
    // Less than a byte may fill up the last one, and the right marker must follow.
    const marker = first < units ? RST0 + (part & 7) : EOI;
    if (left < 0 || left > 7 || at + 2 > end || memory[at] !== 0xff || memory[at + 1] !== marker) return undefined;
    at += 2;
  }
  const [light] = components as [JpegHeader['components'][number]];
  const [across, down] = components.length === 1 ? [0, 0] : [light.across, light.down];
  const places = Math.ceil(width / Math.max(across, 1));
  // Too narrow for the filter, which libjpeg-turbo then leaves out.
  if (across === 2 && places <= 2) return undefined;
  const lines = Math.ceil(height / Math.max(down, 1));
  kernel.colour(0, height, width, across, down, places, lines, plan.pixels);
  return { data: memory.subarray(plan.pixels, plan.pixels + width * height * 3), width, height };
}
