/** Loading packed rows: what is drawn together, decoded once, and never lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BadSample } from '../../../lib/data/ledger.ts';
import { microBatches } from '../../../lib/data/loaded-batch.ts';
import { createLoader, type LoaderOptions } from '../../../lib/data/loader.ts';
import { NO_OWNER } from '../../../lib/data/packed-batch.ts';
import { IMAGE_SLOT, type ImageRef } from '../../../lib/data/sample.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { createStream } from '../../../lib/data/stream.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const tokenizer = await llama2Tokenizer();
const SIZE = 4;

/** Scenes of `perImage` questions; the image of scene n is filled with n. Reads of its pixels are counted. */
function scenes(name: string, images: number, perImage: number, longAt: (index: number) => boolean = () => false) {
  const reads: number[] = [];
  const kept = new Map<number, ImageRef>();
  const imageOf = (scene: number): ImageRef => {
    const pixels = new Uint8Array(SIZE * SIZE * 3).fill(scene);
    const image = {
      get pixels() {
        reads.push(scene);
        return pixels;
      },
      width: SIZE,
      height: SIZE,
      name: `${name}${scene}`,
    };
    kept.set(scene, kept.get(scene) ?? image);
    return kept.get(scene) as ImageRef;
  };
  const source: OpenSource = {
    name,
    length: images * perImage,
    samplesPerImage: perImage,
    fingerprint: `${name}-${images}-${perImage}`,
    notes: [],
    get: async (index) => ({
      id: `${name}${index}`,
      source: name,
      task: 'vqa',
      image: imageOf(Math.floor(index / perImage)),
      turns: [{ question: `question ${index}`, answer: longAt(index) ? 'very '.repeat(60) : `answer ${index}` }],
    }),
  };
  return { source, reads };
}

function options(over: Partial<LoaderOptions>): LoaderOptions {
  return {
    lines: [{ source: scenes('a', 6, 3).source, rate: 1 }],
    seed: 5,
    globalBatch: 6,
    encode: { tokenizer, imageTokens: 4 },
    images: { size: SIZE, threads: 0, transform: 'sharp-cubic' },
    prefetch: 0,
    packing: { maxTokens: 90 },
    ...over,
  };
}

test('the samples of one image come together behind one prefix, and each sample once in a pass', async () => {
  const loader = createLoader(options({}));
  const seen: string[] = [];
  for (let step = 0; step < 3; step++) {
    const batch = await loader.batch(step);
    seen.push(...batch.examples.map(({ id }) => id));
    assert.equal(batch.pixelShape[0], 2);
    assert.equal(batch.tokenIds.filter((id) => id === IMAGE_SLOT).length, 2 * 4);
    const scenesShown = new Set(batch.examples.map(({ id }) => Math.floor(Number(id.slice(1)) / 3)));
    assert.equal(scenesShown.size, 2);
  }
  await loader.close();
  assert.equal(new Set(seen).size, 18);
});

test('pixels stand in the order of the slots, and each image is prepared once for its group', async () => {
  const { source, reads } = scenes('a', 6, 3);
  const loader = createLoader(options({ lines: [{ source, rate: 1 }] }));
  const batch = await loader.batch(0);
  await loader.close();
  const bytes = SIZE * SIZE * 3;
  const order = (batch.packed ?? []).flatMap((row) =>
    row.images.map((image) => Number(('name' in image && image.name.slice(1)) || -1)),
  );
  assert.deepEqual(
    [...order.keys()].map((place) => batch.pixels[place * bytes]),
    order,
  );
  const single = scenes('a', 1, 1);
  const alone = createLoader(options({ lines: [{ source: single.source, rate: 1 }], globalBatch: 1 }));
  await alone.batch(0);
  await alone.close();
  assert.ok(single.reads.length > 0);
  assert.equal(reads.length, 2 * single.reads.length);
});

test('an example that is longer than a row is replaced and reported, not lost', async () => {
  const bad: BadSample[] = [];
  const { source } = scenes('a', 6, 3, (index) => index % 3 === 1);
  const loader = createLoader(
    options({
      lines: [{ source, rate: 1 }],
      packing: { maxTokens: 60 },
      budget: { share: 1, least: 100 },
      onBadSamples: (entries) => void bad.push(...entries),
    }),
  );
  await assert.rejects(loader.batch(0), { code: 'E_BAD_SAMPLES' });
  await loader.close();
  assert.ok(bad.length > 0 && bad.every(({ index }) => index % 3 === 1));
  bad.length = 0;
  const some = scenes('a', 6, 3, (index) => index === 1 || index === 7);
  const second = createLoader(
    options({
      lines: [{ source: some.source, rate: 1 }],
      packing: { maxTokens: 60 },
      budget: { share: 1, least: 100 },
      onBadSamples: (entries) => void bad.push(...entries),
    }),
  );
  for (let step = 0; step < 3; step++) assert.equal((await second.batch(step)).examples.length, 6);
  await second.close();
  assert.deepEqual(bad.map(({ index }) => index).toSorted(), [1, 7]);
  for (const { cause, replacedBy } of bad) {
    assert.match(cause, /tokens/);
    // Another scene's question of the same place.
    assert.equal((replacedBy ?? 0) % 3, 1);
  }
});

test('rates count samples, whatever the size of the groups, and steps cut the stream anywhere', () => {
  const lines = [
    { length: 700, fingerprint: 'a', rate: 3, group: 7 },
    { length: 100, fingerprint: 'b', rate: 1 },
    { length: 60, fingerprint: 'c', rate: 2, group: 2 },
  ];
  const whole = createStream({ lines, seed: 3, globalBatch: 6000 }).step(0);
  const counts = lines.map((_, line) => whole.filter((ref) => ref.line === line).length);
  for (const [line, { rate }] of lines.entries())
    assert.ok(Math.abs((counts[line] ?? 0) - 1000 * rate) < 60, `${counts}`);
  const small = createStream({ lines, seed: 3, globalBatch: 8 });
  const joined = Array.from({ length: 750 }, (_, step) => small.step(step)).flat();
  assert.deepEqual(joined, whole);
  assert.deepEqual(createStream({ lines, seed: 3, globalBatch: 8 }).step(700), small.step(700));
  // Every run of a group stands together, and every sample comes once in a pass.
  const first = whole.filter((ref) => ref.line === 0);
  for (const [place, ref] of first.entries())
    if (place % 7 > 0) assert.equal(ref.index, (first[place - 1]?.index ?? 0) + 1);
  assert.equal(new Set(first.slice(0, 700).map(({ index }) => index)).size, 700);
  assert.throws(
    () => createStream({ lines: [{ length: 5, fingerprint: 'd', rate: 1, group: 2 }], seed: 1, globalBatch: 1 }),
    RangeError,
  );
});

test('parts of a packed batch hold its rows, examples and pixels in order, and at most so many examples', async () => {
  const loader = createLoader(options({ globalBatch: 18, packing: { maxTokens: 62 } }));
  const batch = await loader.batch(0);
  await loader.close();
  const rows = batch.packed?.length ?? 0;
  assert.ok(rows >= 4, `${rows} rows`);
  for (const size of [1, 4, 9, 18]) {
    const parts = microBatches(batch, size);
    assert.deepEqual(
      parts.flatMap(({ examples }) => examples),
      batch.examples,
    );
    assert.deepEqual(Buffer.concat(parts.map(({ pixels }) => pixels)), Buffer.from(batch.pixels));
    for (const part of parts) {
      assert.ok(part.examples.length <= size || part.shape[0] === 1);
      const owned = new Set([...(part.owners ?? [])].filter((owner) => owner !== NO_OWNER));
      assert.deepEqual(owned.size, part.examples.length);
      assert.equal(part.shape[1], Math.max(...(part.packed ?? []).map((row) => row.tokenIds.length)));
    }
  }
  assert.equal(microBatches(batch, 1).length, rows);
  assert.equal(microBatches(batch, 18).length, 1);
});

test('a packed batch is the same, whatever was asked before', async () => {
  const of = async (steps: readonly number[]) => {
    const loader = createLoader(options({ prefetch: 2 }));
    const batches = [];
    for (const step of steps) batches.push(await loader.batch(step));
    await loader.close();
    return batches.map(({ tokenIds, labels, positions, pixels }) => [tokenIds, labels, positions, pixels].join());
  };
  const plain = await of([0, 1, 2, 3]);
  assert.deepEqual(await of([3, 1]), [plain[3], plain[1]]);
});

test('a step that draws one source packs that source’s own batch', async () => {
  const lines = [
    { source: scenes('a', 6, 3).source, rate: 1, batch: 6 },
    { source: scenes('b', 8, 1).source, rate: 1, batch: 2 },
  ];
  const { globalBatch: _, ...rest } = options({ lines, unit: 'batch' });
  const loader = createLoader(rest);
  const seen: string[] = [];
  for (let step = 0; step < 12; step++) {
    const { examples } = await loader.batch(step);
    const names = new Set(examples.map(({ id }) => id[0]));
    assert.equal(names.size, 1);
    assert.equal(examples.length, names.has('a') ? 6 : 2);
    assert.ok(examples.every(({ line }) => line === (names.has('a') ? 0 : 1)));
    if (names.has('a')) seen.push(...examples.map(({ id }) => id));
  }
  await loader.close();
  assert.equal(new Set(seen.slice(0, 18)).size, 18);
});
