/** Pictures with the statistics of photos, for measuring: light in several scales, things with edges, grain. */

import sharp from 'sharp';
import { type RandomStream, randomStream } from '../core/rng.ts';

/** The sizes of photos on the web: most of them 640 pixels long. */
const SIZES: readonly (readonly [number, number])[] = [
  [640, 480],
  [640, 427],
  [480, 640],
  [640, 480],
  [500, 375],
  [640, 426],
];
/** Light and colour from coarse to fine: cells along the longer side, and how far they move a colour. */
const LAYERS = [
  { cells: 5, reach: 150 },
  { cells: 40, reach: 70 },
  { cells: 200, reach: 40 },
] as const;
const THINGS = 12;
const GRAIN = 18;
/** Gives about 130 kB for 640 x 480; photos of COCO have 100 to 200. */
const QUALITY = 90;
/**
 * A JPEG, 640 pixels long or nearly so.
 * @param number equal numbers give equal photos with the same release of sharp
 */
export async function photoLike(number: number): Promise<Uint8Array> {
  const random = randomStream(number, 1);
  let draws = 0;
  const draw = (bound: number): number => random.integer(draws++, bound);
  const [width, height] = SIZES[draw(SIZES.length)] as readonly [number, number];
  const sums = new Float32Array(width * height * 3).fill(128);
  for (const layer of LAYERS) await addLayer(sums, { width, height, draw, ...layer });
  for (let thing = 0; thing < THINGS; thing++) addThing(sums, { width, height, draw });
  const data = withGrain(sums, random);
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: QUALITY })
    .toBuffer();
}

interface Canvas {
  width: number;
  height: number;
  draw: (bound: number) => number;
}

async function addLayer(sums: Float32Array, layer: Canvas & { cells: number; reach: number }): Promise<void> {
  const { width, height, draw, cells, reach } = layer;
  const rows = Math.max(2, Math.round((cells * height) / width));
  const noise = Uint8Array.from({ length: cells * rows * 3 }, () => draw(256));
  const raw = { width: cells, height: rows, channels: 3 as const };
  const wide = await sharp(noise, { raw }).resize(width, height, { fit: 'fill', kernel: 'cubic' }).raw().toBuffer();
  for (let place = 0; place < sums.length; place++) {
    sums[place] = (sums[place] as number) + (((wide[place] as number) - 128) * reach) / 256;
  }
}

/** A disc of another colour, with a sharp edge. */
function addThing(sums: Float32Array, { width, height, draw }: Canvas): void {
  const radius = 8 + draw(Math.floor(height / 6));
  const [x, y] = [draw(width), draw(height)];
  const colour = [draw(160) - 80, draw(160) - 80, draw(160) - 80] as const;
  for (let row = Math.max(0, y - radius); row < Math.min(height, y + radius); row++) {
    const half = Math.floor(Math.sqrt(radius ** 2 - (row - y) ** 2));
    for (let column = Math.max(0, x - half); column < Math.min(width, x + half); column++) {
      const at = (row * width + column) * 3;
      for (let channel = 0; channel < 3; channel++) {
        sums[at + channel] = (sums[at + channel] as number) + (colour[channel] as number);
      }
    }
  }
}

/** The same grain on all three channels, as sensors and film have it. */
function withGrain(sums: Float32Array, random: RandomStream): Uint8ClampedArray {
  const data = new Uint8ClampedArray(sums.length);
  let state = random.integer(1 << 20, 2 ** 31);
  for (let place = 0; place < sums.length; place += 3) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const grain = ((state >> 16) * GRAIN) / 32768;
    for (let channel = 0; channel < 3; channel++) data[place + channel] = (sums[place + channel] as number) + grain;
  }
  return data;
}
