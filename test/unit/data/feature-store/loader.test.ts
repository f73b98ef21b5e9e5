import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { keyOfImage } from '../../../../lib/data/feature-store/keyed-image.ts';
import { microBatches } from '../../../../lib/data/loaded-batch.ts';
import { createLoader, type LoaderOptions } from '../../../../lib/data/loader.ts';
import type { ImageRef } from '../../../../lib/data/sample.ts';
import type { OpenSource } from '../../../../lib/data/source.ts';
import { llama2Tokenizer } from '../../../../lib/data/tokenizer.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const tokenizer = await llama2Tokenizer();
const SIZE = 8;
const TOKENS = 4;

/** A source whose samples show these images in turn. */
function source(images: readonly ImageRef[]): OpenSource {
  return {
    name: 'shown',
    length: images.length,
    fingerprint: 'shown',
    notes: [],
    inOrder: true,
    get: async (index) => ({
      id: `s${index}`,
      source: 'shown',
      task: 'vqa',
      image: images[index] as ImageRef,
      turns: [{ question: `question ${index}`, answer: `answer ${index}` }],
    }),
  };
}

function loaderOf(images: readonly ImageRef[], known: Map<string, Float32Array>, over: Partial<LoaderOptions> = {}) {
  return createLoader({
    lines: [{ source: source(images), rate: 1 }],
    seed: 1,
    globalBatch: images.length,
    encode: { tokenizer, imageTokens: TOKENS },
    images: { size: SIZE, threads: 0 },
    features: { get: async (key) => known.get(key) },
    ...over,
  });
}

const png = await sharp({ create: { width: 9, height: 5, channels: 3, background: '#3366aa' } })
  .png()
  .toBuffer();
const other = await sharp({ create: { width: 9, height: 5, channels: 3, background: '#aa6633' } })
  .png()
  .toBuffer();

test('an image has one key as a file, as a part of one and in memory; other bytes have another', async () => {
  const dir = temporaryFolder('tristage-keys-');
  const file = join(dir, 'a.png');
  const joined = join(dir, 'joined');
  writeFileSync(file, png);
  writeFileSync(joined, Buffer.concat([Buffer.from('before'), png, Buffer.from('after')]));
  const refs: ImageRef[] = [
    { path: file },
    { path: joined, offset: 6, size: png.length, name: 'part' },
    { bytes: png, name: 'memory' },
  ];
  const keys = await Promise.all(refs.map(async (ref) => (await keyOfImage(ref)).key));
  assert.equal(new Set(keys).size, 1);
  assert.notEqual((await keyOfImage({ bytes: other, name: 'memory' })).key, keys[0]);
  const pixels = new Uint8Array(12);
  const wide = await keyOfImage({ pixels, width: 4, height: 1, name: 'drawn' });
  assert.notEqual((await keyOfImage({ pixels, width: 1, height: 4, name: 'drawn' })).key, wide.key);
  await assert.rejects(keyOfImage({ path: join(dir, 'missing.png') }), { code: 'E_IMAGE' });
});

test('an image whose features are known is not decoded', async () => {
  const broken: ImageRef = { bytes: Uint8Array.of(1, 2, 3), name: 'no image at all' };
  const known = new Map([[(await keyOfImage(broken)).key, Float32Array.of(7)]]);
  const loader = loaderOf([broken], known);
  const batch = await loader.batch(0);
  await loader.close();
  assert.deepEqual(
    batch.keyed?.map(({ features, pixels }) => [features, pixels]),
    [[Float32Array.of(7), undefined]],
  );
  assert.equal(batch.pixels.length, 0);
  assert.deepEqual(batch.pixelShape, [1, SIZE]);
});

test('images that are not known come decoded, equal ones as one object, and parts of a batch keep their images', async () => {
  const images: ImageRef[] = [png, other, png, other].map((bytes, place) => ({ bytes, name: `image ${place}` }));
  const plain = loaderOf(images, new Map(), { features: undefined });
  const pixels = (await plain.batch(0)).pixels;
  await plain.close();
  for (const packing of [undefined, { maxTokens: 64 }]) {
    const loader = loaderOf(images, new Map(), { packing });
    const batch = await loader.batch(0);
    await loader.close();
    const keyed = batch.keyed!;
    const ids = batch.examples.map(({ id }) => Number(id.slice(1)));
    for (const [place, { pixels: own }] of keyed.entries()) {
      const from = ids[place]! * SIZE * SIZE * 3;
      assert.deepEqual(own, pixels.slice(from, from + SIZE * SIZE * 3));
    }
    assert.equal(new Set(keyed).size, 2);
    const parts = microBatches(batch, 1);
    assert.ok(parts.length > 1);
    assert.deepEqual(
      parts.flatMap((part) => part.keyed ?? []),
      keyed,
    );
    assert.deepEqual(
      parts.map((part) => part.keyed?.length),
      parts.map((part) => part.pixelShape[0]),
    );
  }
});

test('an image that cannot be decoded is replaced as without a cache', async () => {
  const images: ImageRef[] = [
    { bytes: png, name: 'good' },
    { bytes: png.subarray(0, 40), name: 'cut' },
  ];
  const bad: string[] = [];
  const loader = loaderOf(images, new Map(), {
    budget: { share: 1 },
    onBadSamples: (entries) => void bad.push(...entries.map(({ code }) => code)),
  });
  const batch = await loader.batch(0);
  await loader.close();
  assert.equal(batch.keyed?.length, 2);
  assert.ok(bad.length > 0 && bad.every((code) => code === 'E_IMAGE'), bad.join());
});
