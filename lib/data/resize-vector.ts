/**
 * Pillow's bicubic resize with vector instructions, equal to resize-pillow.ts byte for byte: the same weights and the same 32-bit
 * sums, in a WebAssembly module (resize-kernel.wat) that runs wherever Node does, without a compiler.
 */

import { RESIZE_KERNEL } from './resize-kernel.ts';
import { coefficients, type RgbImage, resizePillowBicubic } from './resize-pillow.ts';

/** The module's exports; the order of arguments stands in resize-kernel.wat. */
interface Kernel {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  rows(...sizes: number[]): void;
  columns(...sizes: number[]): void;
}

/** The part of the standard that this file needs; TypeScript keeps it with the types of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** Weights of one axis as the kernel reads them. */
interface Table {
  words: Int32Array;
  /** Pairs of inputs for each output place. */
  pairs: number;
}

const PAGE = 65536;
/** Bytes that the kernel reads or writes at once. */
const VECTOR = 16;
/** Rows that the horizontal pass takes at once. */
const ROWS = 4;
/** Input that lies in the kernel's memory at a time: strips of rows, so that a large image is not there a second time. */
const STRIP_BYTES = 1 << 20;
/** The kernel's memory never shrinks: what would need more than this goes the plain way. */
const MAX_BYTES = 1 << 26;
/** Low bits of a weight, which are multiplied apart from the high ones. */
const LOW_BITS = 12;
/** Tables that are kept; photos come in few sizes. */
const MAX_TABLES = 64;

/**
 * Resizes without regard to the aspect ratio.
 * @param image u8[height, width, 3]
 * @param size output width and height, at least 1
 * @param into u8[size.height, size.width, 3] to be filled; default: memory of its own
 * @returns u8[size.height, size.width, 3]; without `into` the input's own data when nothing changes
 */
export function resizePillowVector(
  image: RgbImage,
  size: { width: number; height: number },
  into?: Uint8Array,
): RgbImage {
  const wide = size.width !== image.width;
  const high = size.height !== image.height;
  if (!wide && !high) return copied(image, into);
  const line = image.width * 3;
  // The kernel writes one byte behind each row that it makes narrower or wider.
  const middleLine = wide ? roundUp(size.width * 3 + 1, VECTOR) : line;
  const rows = wide ? tableOf({ inputs: image.width, outputs: size.width, stride: 3 }) : undefined;
  const columns = high ? tableOf({ inputs: image.height, outputs: size.height, stride: middleLine }) : undefined;
  const stripRows = roundUp(Math.min(Math.ceil(STRIP_BYTES / line), image.height), ROWS);
  const starts = layOut([
    rows?.words.byteLength ?? 0,
    columns?.words.byteLength ?? 0,
    wide ? stripRows * line + 6 * (rows?.pairs ?? 0) : 0,
    // Pairs with weight zero may lie behind the last row.
    (roundUp(image.height, ROWS) + 2 * (columns?.pairs ?? 0)) * middleLine,
    high ? size.width * size.height * 3 : 0,
  ]);
  const [rowTable, columnTable, strip, middle, output, end] = starts as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (end > MAX_BYTES) return copied(resizePillowBicubic(image, size), into);
  const kernel = kernelWith(end);
  const memory = new Uint8Array(kernel.memory.buffer);
  if (rows === undefined) memory.set(image.data, middle);
  else {
    putTable(memory, rows, rowTable);
    for (let y = 0; y < image.height; y += stripRows) {
      memory.set(image.data.subarray(y * line, (y + stripRows) * line), strip);
      const count = roundUp(Math.min(stripRows, image.height - y), ROWS);
      kernel.rows(strip, middle + y * middleLine, count, line, middleLine, size.width, rowTable, rows.pairs);
    }
  }
  const data = into ?? new Uint8Array(size.width * size.height * 3);
  if (columns === undefined) copyLines(memory, { start: middle, line: middleLine, data, bytes: size.width * 3 });
  else {
    putTable(memory, columns, columnTable);
    kernel.columns(middle, output, size.height, middleLine, size.width * 3, columnTable, columns.pairs);
    data.set(memory.subarray(output, output + data.length));
  }
  return { data, ...size };
}

function copied(image: RgbImage, into: Uint8Array | undefined): RgbImage {
  into?.set(image.data);
  return into === undefined ? image : { ...image, data: into };
}

let instance: Kernel | undefined;

/** The kernel with room for so many bytes. */
function kernelWith(bytes: number): Kernel {
  instance ??= new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(RESIZE_KERNEL, 'base64'))).exports as Kernel;
  const missing = bytes - instance.memory.buffer.byteLength;
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE));
  return instance;
}

/** Where areas of these lengths begin, with room for one vector behind each; last, where the last ends. */
function layOut(lengths: readonly number[]): number[] {
  const starts = [0];
  for (const length of lengths) starts.push(roundUp((starts.at(-1) as number) + length + VECTOR, VECTOR));
  return starts;
}

const tables = new Map<string, Table>();

/** @param axis stride: bytes from one input to the next */
function tableOf(axis: { inputs: number; outputs: number; stride: number }): Table {
  const key = `${axis.inputs} ${axis.outputs} ${axis.stride}`;
  const known = tables.get(key);
  if (known !== undefined) return known;
  const table = makeTable(axis);
  if (tables.size >= MAX_TABLES) tables.delete(tables.keys().next().value as string);
  tables.set(key, table);
  return table;
}

/** For each output the byte offset of its first input, then for each pair of inputs two high and two low parts of 16 bits. */
function makeTable({ inputs, outputs, stride }: { inputs: number; outputs: number; stride: number }): Table {
  const { taps, first, count, weights } = coefficients(inputs, outputs);
  const pairs = Math.ceil(count.reduce((most, length) => Math.max(most, length), 0) / 2);
  const words = new Int32Array(outputs * (1 + 2 * pairs));
  let at = 0;
  for (let place = 0; place < outputs; place++) {
    const weight = (tap: number): number =>
      tap < (count[place] as number) ? (weights[place * taps + tap] as number) : 0;
    words[at++] = (first[place] as number) * stride;
    for (let tap = 0; tap < 2 * pairs; tap += 2) {
      words[at++] = twoOf16(weight(tap) >> LOW_BITS, weight(tap + 1) >> LOW_BITS);
      words[at++] = twoOf16(lowBits(weight(tap)), lowBits(weight(tap + 1)));
    }
  }
  return { words, pairs };
}

function twoOf16(first: number, second: number): number {
  return (first & 0xffff) | (second << 16);
}

function lowBits(weight: number): number {
  return weight & ((1 << LOW_BITS) - 1);
}

function putTable(memory: Uint8Array, { words }: Table, start: number): void {
  memory.set(new Uint8Array(words.buffer), start);
}

/** Rows without the padding behind each. */
function copyLines(memory: Uint8Array, rows: { start: number; line: number; data: Uint8Array; bytes: number }): void {
  const { start, line, data, bytes } = rows;
  for (let from = start, to = 0; to < data.length; from += line, to += bytes) {
    data.set(memory.subarray(from, from + bytes), to);
  }
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
