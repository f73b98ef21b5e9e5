import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { decodeImage, loadImage, normalizePixels, resizeImage } from '../../../lib/data/image.ts';
import { createImageWorkers } from '../../../lib/data/image-workers.ts';
import { resizePillowBicubic } from '../../../lib/data/resize-pillow.ts';
import { run } from '../../parity/adapters/preprocess.ts';

const FIXTURE = join(import.meta.dirname, '../../parity/fixtures/preprocess');
const jpeg = readFileSync(join(FIXTURE, 'img0.jpg'));

/** An image of one colour. */
function plain(channels: 3 | 4, background: { r: number; g: number; b: number; alpha?: number }) {
  return sharp({ create: { width: 7, height: 5, channels, background } });
}

const colours = (data: Uint8Array): number[][] => {
  const seen = new Map<string, number[]>();
  for (let place = 0; place < data.length; place += 3) {
    const colour = [...data.subarray(place, place + 3)];
    seen.set(colour.join(), colour);
  }
  return [...seen.values()];
};

test('pixels equal those of the original, decoded and resized', async () => {
  for (const result of await run(FIXTURE)) assert.ok(result.ok, `${result.name}: ${result.detail}`);
});

test('transparency is dropped, not blended', async () => {
  const bytes = await plain(4, { r: 200, g: 100, b: 50, alpha: 0.25 }).png().toBuffer();
  const { data, width, height } = await decodeImage({ bytes, name: 'rgba' });
  assert.deepEqual([width, height, data.length], [7, 5, 105]);
  assert.deepEqual(colours(data), [[200, 100, 50]]);
});

test('grey, 16-bit and palette images become 8-bit RGB', async () => {
  const grey = await plain(3, { r: 90, g: 90, b: 90 }).toColourspace('b-w').png().toBuffer();
  const deep = await sharp(new Uint16Array(35 * 3).fill(0x8042), { raw: { width: 7, height: 5, channels: 3 } })
    .toColourspace('rgb16')
    .png()
    .toBuffer();
  const palette = await plain(3, { r: 10, g: 200, b: 30 }).png({ palette: true }).toBuffer();
  assert.deepEqual(colours((await decodeImage({ bytes: grey, name: 'grey' })).data), [[90, 90, 90]]);
  assert.deepEqual(colours((await decodeImage({ bytes: palette, name: 'palette' })).data), [[10, 200, 30]]);
  assert.equal((await sharp(deep).metadata()).depth, 'ushort');
  assert.deepEqual(colours((await decodeImage({ bytes: deep, name: 'deep' })).data), [[128, 128, 128]]);
});

test('a CMYK photo becomes the colour that its inks leave over', async () => {
  const bytes = await plain(3, { r: 255, g: 0, b: 0 }).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
  assert.equal((await sharp(bytes).metadata()).space, 'cmyk');
  const [colour] = colours((await decodeImage({ bytes, name: 'cmyk' })).data);
  const [red = 0, green = 0, blue = 0] = colour as number[];
  assert.ok(red > 180 && green < 90 && blue < 90, `found ${colour}`);
});

test('an embedded colour profile and an EXIF rotation change nothing', async () => {
  const image = plain(3, { r: 200, g: 30, b: 90 });
  const bare = await image.clone().png().toBuffer();
  const profiled = await image.clone().withIccProfile('p3', { attach: true }).png().toBuffer();
  const inside = await sharp(profiled, { ignoreIcc: true }).raw().toBuffer();
  assert.deepEqual(Buffer.from((await decodeImage({ bytes: profiled, name: 'p3' })).data), inside);
  const turned = await sharp(bare).withMetadata({ orientation: 6 }).png().toBuffer();
  const decoded = await decodeImage({ bytes: turned, name: 'turned' });
  assert.deepEqual([decoded.width, decoded.height], [7, 5]);
});

test('a file cut anywhere is an error that names it', async () => {
  for (const length of [0, 1, 3, 20, 200, jpeg.length >> 1, jpeg.length - 40]) {
    await assert.rejects(decodeImage({ bytes: jpeg.subarray(0, length), name: `cut-${length}.jpg` }), {
      code: 'E_IMAGE',
      where: `cut-${length}.jpg`,
    });
  }
});

test('a file that is missing, a folder, a text or a drawing is an error that names it', async () => {
  await assert.rejects(decodeImage({ path: '/nowhere/a.jpg' }), {
    code: 'E_IMAGE',
    where: '/nowhere/a.jpg',
    found: 'ENOENT',
  });
  await assert.rejects(decodeImage({ path: FIXTURE }), { code: 'E_IMAGE', where: FIXTURE });
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');
  await assert.rejects(decodeImage({ bytes: svg, name: 'x.svg' }), { code: 'E_IMAGE', where: 'x.svg' });
});

test('an image of too many pixels is refused before it is decoded', async () => {
  const bytes = await sharp({ create: { width: 3000, height: 3000, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  await assert.rejects(decodeImage({ bytes, name: 'bomb.png' }, { maxPixels: 1_000_000 }), {
    code: 'E_IMAGE',
    where: 'bomb.png',
  });
});

test('resizing to the same size changes nothing, and one colour stays that colour', () => {
  const data = Uint8Array.from({ length: 9 * 6 * 3 }, (_, place) => (place * 37) % 256);
  const image = { data, width: 9, height: 6 };
  assert.deepEqual(resizePillowBicubic(image, { width: 9, height: 6 }).data, data);
  const flat = { data: new Uint8Array(9 * 6 * 3).fill(201), width: 9, height: 6 };
  for (const size of [1, 2, 5, 8, 13, 40]) {
    assert.ok(resizePillowBicubic(flat, { width: size, height: size + 1 }).data.every((value) => value === 201));
  }
});

test('a picture of one pixel and a very thin one can be resized', () => {
  assert.deepEqual(
    colours(resizePillowBicubic({ data: Uint8Array.of(1, 2, 3), width: 1, height: 1 }, { width: 4, height: 4 }).data),
    [[1, 2, 3]],
  );
  const thin = { data: new Uint8Array(3 * 5000).fill(7), width: 5000, height: 1 };
  assert.deepEqual(colours(resizePillowBicubic(thin, { width: 3, height: 3 }).data), [[7, 7, 7]]);
});

test('the other transform is another one, of the same shape', async () => {
  const decoded = await decodeImage({ bytes: jpeg, name: 'img0.jpg' });
  const pillow = await resizeImage(decoded, 40, 'pillow-bicubic');
  const cubic = await resizeImage(decoded, 40, 'sharp-cubic');
  assert.equal(cubic.data.length, pillow.data.length);
  assert.notDeepEqual(Buffer.from(cubic.data), Buffer.from(pillow.data));
});

test('normalising subtracts the mean and divides by the deviation of each channel', () => {
  const found = normalizePixels(Uint8Array.of(255, 0, 51, 255, 0, 51), { mean: [0.5, 0, 0.2], std: [0.5, 1, 0.1] });
  assert.deepEqual([...found.slice(0, 4)], [1, 1, 0, 0]);
  assert.ok(Math.abs(found[4] as number) < 1e-7);
});

test('worker threads give the same pixels and the same errors as this thread', async () => {
  const workers = createImageWorkers({ size: 24, threads: 2 });
  try {
    const here = await loadImage({ bytes: jpeg, name: 'img0.jpg' }, { size: 24 });
    const there = await Promise.all([1, 2, 3].map(() => workers.load({ bytes: jpeg, name: 'img0.jpg' })));
    for (const pixels of there) assert.deepEqual(Buffer.from(pixels), Buffer.from(here));
    await assert.rejects(workers.load({ path: '/nowhere/b.jpg' }), {
      code: 'E_IMAGE',
      where: '/nowhere/b.jpg',
      kind: 'data',
    });
  } finally {
    await workers.close();
  }
  await assert.rejects(workers.load({ bytes: jpeg, name: 'late' }), { code: 'E_IMAGE_WORKER' });
});
