import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { readManifest } from '../../../../lib/data/index/manifest.ts';
import { openIndex } from '../../../../lib/data/index/open-index.ts';
import { writeSegments } from '../../../../lib/data/index/write-segments.ts';
import type { SourceRow } from '../../../../lib/data/row-source.ts';
import { indexed, lines, pairs, textLines, writeLines, writePicture } from './index-support.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-index-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const first = (): number => 0;

const image: fc.Arbitrary<SourceRow<unknown>['image']> = fc.oneof(
  fc.constant(undefined),
  fc.record({ file: fc.string({ minLength: 1 }) }),
  fc.record({ file: fc.string({ unit: 'grapheme', minLength: 1 }), width: fc.nat(), height: fc.nat() }),
  fc.record({
    shard: fc.string({ minLength: 1 }),
    name: fc.string({ minLength: 1 }),
    offset: fc.maxSafeNat(),
    size: fc.maxSafeNat(),
  }),
);

const manifestFacts = {
  ...{ format: 1, source: 'rows', key: 0, verify: 'headers', tool: 'test', inputs: [], folders: [] },
  ...{ rejected: 0, rejections: [] },
} as const;

describe('an index', () => {
  test('gives at any place what was written, for any rows', async () => {
    const row = fc.record({ id: fc.string({ unit: 'grapheme', minLength: 1 }), image, record: fc.jsonValue() });
    const texts = fc.nat({ max: 40_000 });
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 60 }), texts, async (rows, size) => {
        const dir = join(folder, `any-${number++}`);
        await mkdir(dir);
        // Long records make small batches, so that even a few rows are spread over several.
        const all: SourceRow<unknown>[] = rows.map(({ image: own, record, id }) => ({
          id,
          ...(own === undefined ? {} : { image: { ...own } }),
          record: JSON.parse(JSON.stringify([record, 'x'.repeat(size)])) as unknown,
        }));
        const encoded = all.map((one) => ({ ...one, record: JSON.stringify(one.record) }));
        const state = { segments: [], sections: [], batchRows: 0 } as never;
        const taken = () => ({ seen: 0, lastId: '', rejections: [], folders: [] });
        const source = (async function* () {
          yield* encoded;
        })();
        const written = await writeSegments(dir, { rows: source, state, root: '/', taken });
        const manifest = { ...manifestFacts, ...written, segments: [...written.segments], rows: rows.length };
        const store = await openIndex(dir, manifest as never);
        const order = Array.from(rows, (_, place) => (place * 7919) % rows.length);
        for (const place of [...order, ...rows.keys()]) assert.deepEqual(await store.row(place), all[place]);
      }),
      { numRuns: 30 },
    );
  });

  test('of more than a section agrees with the rows in memory, at random places and in order', async () => {
    const root = await mkdtemp(join(folder, 'long-'));
    await writeLines(
      root,
      textLines(70_000, (place) => `text ${place} ${'é'.repeat(place % 13)}`),
    );
    const {
      source,
      manifest,
      folder: dir,
    } = await indexed(lines.plan({ root }), { place: { cache: join(root, 'c') } });
    const plain = await lines.open({ root });
    assert.deepEqual(
      manifest.segments.map(({ rows }) => rows),
      [32_768, 32_768, 4464],
    );
    assert.equal(source.fingerprint, plain.fingerprint);
    assert.equal(source.length, plain.length);
    for (let draw = 0; draw < 2000; draw++) {
      const index = (draw * 2_654_435_761) % 70_000;
      assert.deepEqual(await source.get(index, first), await plain.get(index, first));
    }
    for (let index = 32_700; index < 32_900; index++) {
      assert.deepEqual(await source.get(index, first), await plain.get(index, first));
    }
    await assert.rejects(source.get(70_000, first), RangeError);
    // Any reader of Arrow files reads it.
    const table = tableFromIPC(await readFile(join(dir, 'rows-00002.arrow')));
    assert.deepEqual([table.numRows, table.get(4463)?.['id']], [4464, 'row-69999']);
  });

  test('shows nothing of its place: moved with its data it is still true', async () => {
    const root = await mkdtemp(join(folder, 'moved-'));
    const other = join(folder, 'moved-away');
    await mkdir(join(root, 'images'));
    await writePicture(join(root, 'images/a.jpg'));
    await writeLines(root, [{ id: 'a', file: join(root, 'images/a.jpg'), text: 'a' }]);
    await writeLines(root, [{ id: 'a', file: 'images/a.jpg', text: 'a' }]);
    const before = await indexed(lines.plan({ root }), { place: { index: join(root, 'index') } });
    await rm(other, { recursive: true, force: true });
    await rename(root, other);
    const after = await indexed(lines.plan({ root: other }), { place: { index: join(other, 'index') } });
    assert.deepEqual([before.built, after.built], [true, false]);
    assert.equal(after.source.fingerprint, before.source.fingerprint);
    assert.deepEqual((await after.source.get(0, first)).image, { path: join(other, 'images/a.jpg') });
  });

  test('keeps the samples of one image together and gives them one image object', async () => {
    const root = await mkdtemp(join(folder, 'pairs-'));
    for (const name of ['a', 'b', 'c']) await writePicture(join(root, `${name}.jpg`));
    const rows = ['a', 'b', 'c'].flatMap((name) => [
      { id: `${name}1`, file: `${name}.jpg`, text: 'one' },
      { id: `${name}2`, file: `${name}.jpg`, text: name === 'b' ? ' ' : 'two' },
    ]);
    await writeLines(root, rows);
    const { source, rejections } = await indexed(pairs.plan({ root }), { place: { cache: join(root, 'c') } });
    assert.deepEqual([source.length, source.samplesPerImage], [4, 2]);
    const [one, two] = [await source.get(2, first), await source.get(3, first)];
    assert.deepEqual([one.id, two.id], ['c1', 'c2']);
    assert.equal(one.image, two.image);
    assert.deepEqual(
      rejections.map(({ reason, count }) => [reason, count]),
      [
        ['another row of its image cannot be used', 1],
        ['empty answer', 1],
      ],
    );
  });

  test('serves every task and wording; what is unfit for one is found out once', async () => {
    const root = await mkdtemp(join(folder, 'fit-'));
    await writeLines(root, [
      { id: 'a', text: 'a' },
      { id: 'b', text: '' },
      { id: 'c', text: 'c', box: [0, 0, 2, 1] },
      { id: 'd', text: 'd', box: [0.5, 0, 0.4, 1] },
      { id: 'e', text: 'e', box: [0, 0, 1, 1] },
    ]);
    const place = { index: join(root, 'index') };
    const quiet = await indexed(lines.plan({ root }), { place });
    const loud = await indexed(lines.plan({ root, loud: true, task: 'refer' }), { place });
    assert.deepEqual([quiet.built, loud.built], [true, false]);
    assert.deepEqual(quiet.source.length, 2);
    const turns = [await quiet.source.get(1, first), await loud.source.get(1, first)].map((sample) => sample.turns[0]);
    assert.deepEqual(turns, [
      { question: '[caption]', answer: 'e' },
      { question: '[refer]', answer: 'E' },
    ]);
    assert.notEqual(quiet.source.fingerprint, loud.source.fingerprint);
    assert.deepEqual(
      quiet.rejections.map(({ reason, count }) => [reason, count]),
      [
        ['empty answer', 1],
        ['box outside the image', 1],
        ['unusable sample', 1],
      ],
    );
    assert.equal((await readManifest(place.index))?.rows, 5);
    await writeLines(root, [{ id: 'a', text: '' }]);
    await assert.rejects(indexed(lines.plan({ root }), { place }), { code: 'E_SOURCE' });
  });
});
