import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { glob } from 'tinyglobby';
import { decodeImage } from '../../../lib/data/image.ts';
import { type RgbImage, resizePillowBicubic } from '../../../lib/data/resize-pillow.ts';
import { resizePillowVector } from '../../../lib/data/resize-vector.ts';

/** Noise with many black and white places, where sums leave the range of a byte. */
function noise(width: number, height: number, seed: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  let state = seed | 1;
  for (let place = 0; place < data.length; place++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const value = state >>> 24;
    data[place] = value < 80 ? 0 : value > 170 ? 255 : (state >>> 16) & 255;
  }
  return { data, width, height };
}

function same(image: RgbImage, size: { width: number; height: number }): void {
  const fast = resizePillowVector(image, size);
  assert.deepEqual([fast.width, fast.height], [size.width, size.height]);
  const difference = Buffer.compare(fast.data, resizePillowBicubic(image, size).data);
  assert.equal(difference, 0, `${image.width} x ${image.height} to ${size.width} x ${size.height}`);
}

test('the vector resize gives the bytes of the plain one for any sizes', () => {
  const side = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 90 }));
  fc.assert(
    fc.property(side, side, side, side, fc.integer(), (width, height, toWidth, toHeight, seed) => {
      same(noise(width, height, seed), { width: toWidth, height: toHeight });
    }),
    { numRuns: 300 },
  );
});

test('photos of usual sizes, of one axis only, of several strips and of extreme shapes are equal too', () => {
  const square = { width: 448, height: 448 };
  const sizes = [
    [640, 480],
    [480, 640],
    [333, 500],
    [448, 300],
    [300, 448],
    [1700, 900],
    [3, 2400],
    [2400, 3],
  ] as const;
  for (const [width, height] of sizes) same(noise(width, height, 7), square);
});

test('an image too large for the memory of the module takes the plain way', () => {
  const image = noise(1, 60_000, 3);
  same(image, { width: 400, height: 2 });
});

test("what was resized before does not show: the module's memory is used again", () => {
  const first = noise(50, 40, 1);
  const size = { width: 24, height: 24 };
  const alone = resizePillowVector(first, size).data;
  resizePillowVector(noise(640, 480, 2), { width: 448, height: 448 });
  assert.deepEqual(resizePillowVector(first, size).data, alone);
});

const samples = process.env['TRISTAGE_SAMPLE_DIR'];

test('real photos are resized to the same bytes both ways', { skip: samples === undefined }, async () => {
  const paths = await glob('**/*.jpg', { cwd: samples as string, absolute: true });
  assert.ok(paths.length > 0);
  for (const path of paths) same(await decodeImage({ path }), { width: 448, height: 448 });
});
