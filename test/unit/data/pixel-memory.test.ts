import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { IMAGE_MEAN, IMAGE_STD, normalizePixels } from '../../../lib/data/image.ts';
import { createImageWorkers } from '../../../lib/data/image-workers.ts';
import { createLoader, type LoaderOptions } from '../../../lib/data/loader.ts';
import { createNormalizer } from '../../../lib/data/normalize-vector.ts';
import { createPixelMemory } from '../../../lib/data/pixel-memory.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

test('what is given back is used again, once, and nothing that came from elsewhere is', () => {
  for (const shared of [true, false]) {
    const memory = createPixelMemory({ shared });
    const first = memory.take(100);
    assert.equal(first.buffer instanceof SharedArrayBuffer, shared);
    assert.notEqual(memory.take(100).buffer, first.buffer);
    memory.give(first.subarray(10, 20));
    memory.give(first);
    memory.give(new Uint8Array(100));
    const again = memory.take(60);
    assert.deepEqual([again.buffer, again.length], [first.buffer, 60]);
    assert.notEqual(memory.take(60).buffer, first.buffer);
    memory.give(again);
    assert.equal(memory.take(1000).length, 1000);
  }
});

/** Photos of one colour each, by number, and now and then one that cannot be decoded. */
async function coloured(): Promise<OpenSource> {
  const images = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const background = { r: index * 6, g: 255 - index * 6, b: index };
      return sharp({ create: { width: 12, height: 9, channels: 3, background } })
        .jpeg()
        .toBuffer();
    }),
  );
  return {
    ...{ name: 'coloured', length: 40, fingerprint: 'coloured', notes: [] },
    get: async (index) => {
      const bytes = images[index] as Buffer;
      const image = { bytes: index % 13 === 12 ? bytes.subarray(0, 60) : bytes, name: `${index}` };
      const turns = [{ question: 'q', answer: 'a '.repeat(1 + (index % 5)) }];
      return { id: `${index}`, source: 'coloured', task: 'vqa', image, turns };
    },
  };
}

test('batches are the same whether they are given back or not, packed and not, with bad samples between', async () => {
  const [source, tokenizer] = [await coloured(), await llama2Tokenizer()];
  for (const packing of [undefined, { maxTokens: 120 }]) {
    for (const threads of [0, 2]) {
      const options: LoaderOptions = {
        ...{ lines: [{ source, rate: 1, badShare: 1 }], seed: 3, globalBatch: 6, packing },
        encode: { tokenizer, imageTokens: 4 },
        images: { size: 8, threads },
      };
      const [keeps, gives] = [createLoader(options), createLoader(options)];
      const kept: Uint8Array[] = [];
      const copies: Uint8Array[] = [];
      const buffers = new Set<ArrayBufferLike>();
      for (let step = 0; step < 12; step++) {
        kept.push((await keeps.batch(step)).pixels);
        const batch = await gives.batch(step);
        copies.push(batch.pixels.slice());
        buffers.add(batch.pixels.buffer);
        gives.recycle(batch);
      }
      await Promise.all([keeps.close(), gives.close()]);
      assert.deepEqual(copies, kept);
      assert.ok(buffers.size <= 4, `${buffers.size} arrays for 12 batches`);
    }
  }
});

test('images of workers use the memory of those that were given back', async () => {
  const workers = createImageWorkers({ size: 8, threads: 1, atOnce: 2 });
  const colours = async (shade: number) =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: { r: shade, g: shade, b: shade } } })
      .png()
      .toBuffer();
  try {
    const buffers = new Set<ArrayBufferLike>();
    for (const shade of [10, 90, 200, 30]) {
      const pixels = await workers.borrow({ bytes: await colours(shade), name: `${shade}` });
      assert.ok(pixels.every((value) => value === shade));
      buffers.add(pixels.buffer);
      workers.recycle(pixels);
      await assert.rejects(workers.load({ bytes: Buffer.from('no image'), name: 'no' }), { code: 'E_IMAGE' });
    }
    assert.equal(buffers.size, 1);
    const [own, other] = [await workers.load({ bytes: await colours(7), name: '7' }), await colours(70)];
    await workers.load({ bytes: other, name: '70' });
    assert.ok(own.every((value) => value === 7) && !(own.buffer instanceof SharedArrayBuffer));
  } finally {
    await workers.close();
  }
});

test('the vector normalisation has the bits of the plain one, for any number of images and places', () => {
  const channels = { mean: IMAGE_MEAN, std: IMAGE_STD };
  const normalize = createNormalizer(channels);
  for (const [count, side] of [
    [3, 16],
    [2, 5],
    [1, 1],
    [4, 17],
    [0, 0],
    [1, 90],
  ] as const) {
    const bytes = side * side * 3;
    const pixels = Uint8Array.from({ length: count * bytes }, (_, place) => Math.imul(place + 1, 40503) >> 7);
    const wanted = new Float32Array(pixels.length);
    for (let image = 0; image < count; image++) {
      const [start, end] = [image * bytes, (image + 1) * bytes];
      normalizePixels(pixels.subarray(start, end), channels, wanted.subarray(start, end));
    }
    assert.deepEqual(normalize(pixels, count), wanted);
  }
});
