import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { glob } from 'tinyglobby';
import { decodeJpeg } from '../../../lib/data/jpeg/decode.ts';
import { photoLike } from '../../../lib/data/photo-like.ts';
import { inventJpeg } from '../../support/jpeg-writer.ts';

const MAX_PIXELS = 100_000_000;

/** What the other decoder makes of it, three channels. */
async function bySharp(bytes: Uint8Array) {
  const image = sharp(bytes, { failOn: 'truncated', ignoreIcc: true, autoOrient: false });
  return image.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

async function same(bytes: Uint8Array, name: string): Promise<void> {
  const found = decodeJpeg(bytes, MAX_PIXELS);
  assert.ok(found !== undefined, `${name}: not decoded`);
  const { data, info } = await bySharp(bytes);
  assert.deepEqual([found.width, found.height], [info.width, info.height], name);
  const wanted = info.channels === 3 ? data : Buffer.from([...data].flatMap((value) => [value, value, value]));
  assert.equal(Buffer.compare(found.data, wanted), 0, name);
}

const side = fc.oneof(fc.integer({ min: 5, max: 20 }), fc.integer({ min: 5, max: 90 }));

test('coefficients of any kind become the pixels of the other decoder, with every fineness of colour and any restarts', async () => {
  const light = fc.constantFrom([1, 1] as const, [2, 1] as const, [2, 2] as const, undefined);
  const restart = fc.constantFrom(0, 1, 2, 3, 7, 10);
  await fc.assert(
    fc.asyncProperty(
      side,
      side,
      light,
      restart,
      fc.integer({ min: 0, max: 1 << 30 }),
      (width, height, own, every, seed) =>
        same(
          inventJpeg({ width, height, ...(own === undefined ? {} : { light: own }), restart: every, seed }),
          `${width} x ${height}, light ${own}, restart ${every}, seed ${seed}`,
        ),
    ),
    { numRuns: 150 },
  );
});

test('what an encoder writes at any quality becomes the same pixels', async () => {
  const sampling = fc.constantFrom('4:4:4', '4:2:0');
  const noise = (length: number, seed: number) =>
    Uint8Array.from({ length }, (_, place) => Math.imul(place + seed, 2654435761) >>> 24);
  await fc.assert(
    fc.asyncProperty(
      side,
      side,
      sampling,
      fc.integer({ min: 1, max: 100 }),
      fc.nat(),
      async (width, height, colour, quality, seed) => {
        const raw = { width, height, channels: 3 as const };
        const image = sharp(noise(width * height * 3, seed), { raw }).blur(1 + (seed % 3));
        await same(
          await image.jpeg({ quality, chromaSubsampling: colour }).toBuffer(),
          `${width} x ${height} ${colour} ${quality}`,
        );
      },
    ),
    { numRuns: 60 },
  );
  for (const number of [0, 1, 2]) await same(await photoLike(number), `photo ${number}`);
});

test('one decoded after another has nothing of it, whatever their sizes', async () => {
  const sizes = [
    [90, 70],
    [9, 8],
    [200, 120],
    [16, 16],
  ] as const;
  for (const [width, height] of [...sizes, ...sizes])
    await same(inventJpeg({ width, height, light: [2, 2], seed: width }), `${width}`);
});

test('a stream with wrong bytes is never more than refused, and one that is not refused is one that the other decoder takes', async () => {
  const whole = inventJpeg({ width: 40, height: 30, light: [2, 2], restart: 2, seed: 5 });
  const changes = fc.array(fc.tuple(fc.integer({ min: 2, max: whole.length - 1 }), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(changes, async (places) => {
      const bytes = whole.slice();
      for (const [place, value] of places) bytes[place] = value;
      const found = decodeJpeg(bytes, MAX_PIXELS);
      if (found === undefined) return;
      const { width, height } = found;
      taken++;
      const { info } = await bySharp(bytes);
      assert.deepEqual([width, height], [info.width, info.height]);
    }),
    { numRuns: 400 },
  );
  assert.ok(taken > 0);
});

const samples = process.env['TRISTAGE_SAMPLE_DIR'];

test('real photos are decoded to the same bytes', { skip: samples === undefined }, async () => {
  const paths = await glob('**/*.jpg', { cwd: samples as string, absolute: true });
  assert.ok(paths.length > 0);
  for (const path of paths) await same(await readFile(path), path);
});
