/** Fixture folder `preprocess`: decoding and resizing equal to the byte, normalising within float rounding. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage, normalizePixels, resizeImage } from '../../../lib/data/image.ts';
import type { HostTensor } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors } from '../../../lib/formats/safetensors.ts';
import type { ParityResult } from '../result.ts';

interface Config {
  mean: number[];
  std: number[];
  sizes: number[];
  files: { file: string }[];
}

/** Two float32 divisions and a subtraction on values up to 3. */
const NORMALIZED_LIMIT = 5e-7;

/**
 * Decodes every image of `config.json` and compares it with `io.safetensors`, then resizes it to every size.
 * @param dir a fixture folder of this format
 */
export async function run(dir: string): Promise<ParityResult[]> {
  const config = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as Config;
  const stored = await readSafetensors(join(dir, 'io.safetensors'));
  const results: ParityResult[] = [];
  for (const { file } of config.files) {
    const stem = file.replace(/\.[^.]*$/, '');
    const decoded = await decodeImage({ path: join(dir, file) });
    results.push(sameBytes(`${stem}.decoded_rgb_u8`, decoded.data, [decoded.height, decoded.width, 3], stored));
    for (const size of config.sizes) {
      const { data } = await resizeImage(decoded, size, 'pillow-bicubic');
      results.push(sameBytes(`${stem}.${size}.resized_u8`, data, [size, size, 3], stored));
      const name = `${stem}.${size}.normalized`;
      const expected = stored.get(name);
      if (expected !== undefined) results.push(close(name, normalizePixels(data, config), expected));
    }
  }
  return results.length > 0 ? results : [{ name: 'preprocess', ok: false, detail: 'config.json names no file' }];
}

function sameBytes(
  name: string,
  data: Uint8Array,
  shape: number[],
  stored: ReadonlyMap<string, HostTensor>,
): ParityResult {
  const expected = stored.get(name);
  if (expected === undefined) return { name: `preprocess/${name}`, ok: false, detail: 'not in io.safetensors' };
  if (shape.join() !== expected.shape.join()) {
    return { name: `preprocess/${name}`, ok: false, detail: `shape ${shape}, expected ${expected.shape}` };
  }
  let worst = 0;
  for (const [place, value] of data.entries())
    worst = Math.max(worst, Math.abs(value - (expected.bytes[place] as number)));
  return { name: `preprocess/${name}`, ok: worst === 0, detail: `largest difference ${worst} of 255` };
}

function close(name: string, data: Float32Array, expected: HostTensor): ParityResult {
  const view = new DataView(expected.bytes.buffer, expected.bytes.byteOffset, expected.bytes.byteLength);
  let worst = data.length * 4 === expected.bytes.length ? 0 : Number.POSITIVE_INFINITY;
  for (let place = 0; place < data.length && worst < Number.POSITIVE_INFINITY; place++) {
    worst = Math.max(worst, Math.abs((data[place] as number) - view.getFloat32(place * 4, true)));
  }
  const detail = `largest difference ${worst.toExponential(1)}, limit ${NORMALIZED_LIMIT}`;
  return { name: `preprocess/${name}`, ok: worst <= NORMALIZED_LIMIT, detail };
}
