import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { decodeImage, loadImage } from '../../../lib/data/image.ts';
import { decodeJpeg } from '../../../lib/data/jpeg/decode.ts';
import { resizePillowBicubic } from '../../../lib/data/resize-pillow.ts';
import { inventJpeg } from '../../support/jpeg-writer.ts';

const MAX_PIXELS = 100_000_000;
const whole = inventJpeg({ width: 50, height: 40, light: [2, 2], restart: 3, seed: 1 });
const noise = sharp(
  Uint8Array.from({ length: 64 * 48 * 3 }, (_, place) => (place * 7919) >> 4),
  { raw: { width: 64, height: 48, channels: 3 } },
);

/** The bytes with some of them changed. */
function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

/** Where a marker is. */
function markerAt(bytes: Uint8Array, marker: number): number {
  for (let at = 2; at < bytes.length; at++) if (bytes[at] === 0xff && bytes[at + 1] === marker) return at;
  throw new Error(`no marker ${marker.toString(16)}`);
}

test('other kinds of JPEG are left to the other decoder, which knows them', async () => {
  const frame = markerAt(whole, 0xc0);
  const kinds: Record<string, Uint8Array> = {
    progressive: await noise.clone().jpeg({ progressive: true }).toBuffer(),
    inks: await noise.clone().toColourspace('cmyk').jpeg().toBuffer(),
    'twelve bits': changed(whole, frame + 4, 12),
    'colour as fine as light in one direction only': changed(whole, frame + 11, 0x12),
    'components of RGB': changed(whole, frame + 10, 82),
    'a height that comes later': changed(whole, frame + 5, 0, 0),
    png: await noise.clone().png().toBuffer(),
    nothing: new Uint8Array(0),
  };
  for (const [kind, bytes] of Object.entries(kinds)) assert.equal(decodeJpeg(bytes, MAX_PIXELS), undefined, kind);
  for (const kind of ['progressive', 'inks', 'png'] as const) {
    const { width, height } = await decodeImage({ bytes: kinds[kind] as Uint8Array, name: kind });
    assert.deepEqual([width, height], [64, 48], kind);
  }
});

test('one that is cut anywhere, has more than it should, or restarts in the wrong order is not decoded', () => {
  for (let length = 0; length < whole.length; length++) {
    assert.equal(decodeJpeg(whole.subarray(0, length), MAX_PIXELS), undefined, `cut to ${length}`);
  }
  const end = whole.length - 2;
  const more = Buffer.concat([whole.subarray(0, end), Buffer.from([0x12, 0x34]), whole.subarray(end)]);
  assert.equal(decodeJpeg(more, MAX_PIXELS), undefined);
  const restart = markerAt(whole, 0xd0);
  assert.equal(decodeJpeg(changed(whole, restart + 1, 0xd3), MAX_PIXELS), undefined);
  const tables = markerAt(whole, 0xc4);
  assert.equal(decodeJpeg(changed(whole, tables + 5, 255), MAX_PIXELS), undefined);
});

test('what stands behind the end does not matter', async () => {
  const longer = Buffer.concat([whole, Buffer.from('more')]);
  const { data } = await decodeImage({ bytes: longer, name: 'longer' });
  assert.deepEqual(data, (await decodeImage({ bytes: whole, name: 'whole' })).data);
});

test('more pixels than allowed are refused with a message, and sizes that lie take no memory', async () => {
  assert.equal(decodeJpeg(whole, 50 * 40 - 1), undefined);
  await assert.rejects(decodeImage({ bytes: whole, name: 'large' }, { maxPixels: 50 * 40 - 1 }), {
    code: 'E_IMAGE',
    where: 'large',
  });
  const frame = markerAt(whole, 0xc0);
  const before = process.memoryUsage().rss;
  assert.equal(decodeJpeg(changed(whole, frame + 5, 0xff, 0xdc, 0xff, 0xdc), 2 ** 33), undefined);
  assert.ok(process.memoryUsage().rss - before < 1 << 27);
});

test('rotation that a photo asks for, and its comments, change nothing', async () => {
  const plain = await noise.clone().jpeg({ quality: 80 }).toBuffer();
  const turned = await noise
    .clone()
    .withExif({ IFD0: { ImageDescription: 'x' } })
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 80 })
    .toBuffer();
  assert.equal((await sharp(turned).metadata()).orientation, 6);
  const found = decodeJpeg(turned, MAX_PIXELS);
  assert.deepEqual([found?.width, found?.height], [64, 48]);
  const pixels = Buffer.from(found?.data as Uint8Array);
  assert.ok(pixels.equals(decodeJpeg(plain, MAX_PIXELS)?.data as Uint8Array));
});

test('loading gives the plainly resized pixels, into memory that was given where one was', async () => {
  const size = 24;
  const decoded = await decodeImage({ bytes: whole, name: 'whole' });
  const plain = resizePillowBicubic(decoded, { width: size, height: size }).data;
  const progressive = await noise.clone().jpeg({ progressive: true }).toBuffer();
  const other = resizePillowBicubic(await decodeImage({ bytes: progressive, name: 'p' }), {
    width: size,
    height: size,
  });
  const into = new Uint8Array(new SharedArrayBuffer(size * size * 3));
  assert.deepEqual(await loadImage({ bytes: whole, name: 'whole' }, { size }), plain);
  assert.equal(await loadImage({ bytes: whole, name: 'whole' }, { size }, into), into);
  assert.ok(Buffer.from(into).equals(plain));
  await loadImage({ bytes: progressive, name: 'p' }, { size }, into);
  assert.ok(Buffer.from(into).equals(other.data));
  await loadImage({ pixels: plain, width: size, height: size, name: 'raw' }, { size }, into);
  assert.ok(Buffer.from(into).equals(plain));
  const same = inventJpeg({ width: size, height: size, seed: 4 });
  await loadImage({ bytes: same, name: 'same' }, { size }, into);
  assert.ok(Buffer.from(into).equals((await decodeImage({ bytes: same, name: 'same' })).data));
});

test('images that are loaded at the same time do not mix', async () => {
  const size = 16;
  const images = Array.from({ length: 12 }, (_, seed) => ({
    bytes: inventJpeg({ width: 30 + seed, height: 50 - seed, light: [2, 1], seed }),
    name: `${seed}`,
  }));
  const alone: Uint8Array[] = [];
  for (const image of images) alone.push(await loadImage(image, { size }));
  assert.deepEqual(await Promise.all(images.map((image) => loadImage(image, { size }))), alone);
});
