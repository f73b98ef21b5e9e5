/**
 * Many images to the float input of the vision tower, equal to `normalizePixels` bit for bit, in a WebAssembly module
 * (normalize-kernel.wat). In training the device does this; here is what a host does that has none.
 */

import { normalizePixels } from './image.ts';
import { NORMALIZE_KERNEL } from './normalize-kernel.ts';

interface Kernel {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  normalize(source: number, places: number, target: number, tables: number): void;
}

/** The part of the standard that this file needs; TypeScript keeps it with the types of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

const PAGE = 65536;
const TABLES = 0;
const SOURCE = 4096;

/**
 * @param channels mean and deviation of each channel
 * @returns a function from u8[N, S, S, 3] and N to f32[N, 3, S, S], which lies in memory that its next call writes to again
 */
export function createNormalizer(channels: {
  mean: readonly number[];
  std: readonly number[];
}): (pixels: Uint8Array, count: number) => Float32Array {
  const module = new WebAssembly.Module(Buffer.from(NORMALIZE_KERNEL, 'base64'));
  const { memory, normalize } = new WebAssembly.Instance(module).exports as Kernel;
  // The definition itself, asked for every value of a byte.
  const tables = normalizePixels(
    Uint8Array.from({ length: 768 }, (_, place) => Math.floor(place / 3)),
    channels,
  );
  const fit = (bytes: number): void => {
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  };
  fit(SOURCE);
  new Float32Array(memory.buffer, TABLES, tables.length).set(tables);
  return (pixels, count) => {
    const bytes = count === 0 ? 0 : pixels.length / count;
    const target = SOURCE + Math.ceil(bytes / 16) * 16;
    fit(target + 4 * pixels.length);
    // One image at a time, which the nearest cache holds until it is read.
    const source = new Uint8Array(memory.buffer, SOURCE, bytes);
    for (let image = 0; image < count; image++) {
      source.set(pixels.subarray(image * bytes, (image + 1) * bytes));
      normalize(SOURCE, bytes / 3, target + 4 * image * bytes, TABLES);
    }
    return new Float32Array(memory.buffer, target, pixels.length);
  };
}
