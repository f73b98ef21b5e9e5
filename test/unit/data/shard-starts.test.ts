import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { openIndexed } from '../../../lib/data/index/ensure.ts';
import { loaderOrder } from '../../../lib/data/loader.ts';
import { defineRowSource } from '../../../lib/data/row-source.ts';
import { badSample } from '../../../lib/data/sample.ts';
import { shardStarts, startsWithout, watchShards } from '../../../lib/data/shard-starts.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const run = (names: readonly string[]) => {
  const watch = watchShards();
  for (const shard of names) watch.add({ shard, offset: 0, size: 1, name: 'x.jpg' });
  return { rows: names.length, shards: watch.run() };
};
const rowsOf = (sizes: readonly number[]) => sizes.flatMap((size, shard) => Array<string>(size).fill(`${shard}.tar`));

test('tars begin where the rows change, however the rows are cut into parts', () => {
  const sizes = fc.array(fc.integer({ min: 8, max: 40 }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 9, max: 70 }), (list, part) => {
      const rows = rowsOf(list);
      const parts = Array.from({ length: Math.ceil(rows.length / part) }, (_, place) =>
        run(rows.slice(place * part, (place + 1) * part)),
      );
      const starts = list.map((_, shard) => list.slice(0, shard).reduce((sum, size) => sum + size, 0));
      assert.deepEqual(shardStarts(parts), starts);
    }),
    { seed: 2 },
  );
});

test('one tar, plain files, and tars that take turns have no starts', () => {
  assert.equal(shardStarts([run(rowsOf([30]))]), undefined);
  assert.equal(shardStarts([run(Array.from({ length: 40 }, (_, row) => `${row % 2}.tar`))]), undefined);
  const files = watchShards();
  for (let row = 0; row < 20; row++) files.add({ file: `${row}.jpg` });
  assert.equal(shardStarts([{ rows: 20, shards: files.run() }]), undefined);
});

test('rows that are left out move the starts behind them, and a tar without any row is gone', () => {
  const unfit = [1, 10, 11, 12, 13, 14, 19];
  const moved = startsWithout([0, 10, 15], {
    skippedBefore: (row) => unfit.filter((one) => one < row).length,
    length: 13,
  });
  assert.deepEqual(moved, [0, 9]);
  assert.equal(startsWithout([0, 5], { skippedBefore: () => 0, length: 5 }), undefined);
});

const TARS = 40;
const ROWS = 25;

/** Rows in tars; some rows give no sample. */
const tars = defineRowSource({
  name: 'made-tars',
  summary: 'Captions in tars.',
  kind: 'weak',
  tasks: ['caption'],
  options: z.object({ broken: z.int().default(0) }),
  indexOptions: [],
  inputs: async ({ root }) => [join(root, 'list.txt')],
  rows: async function* () {
    for (let row = 0; row < TARS * ROWS; row++) {
      const image = { shard: `${Math.floor(row / ROWS)}.tar`, offset: 512 * row, size: 10, name: `${row}.jpg` };
      yield { id: `${row}`, image: { ...image, width: 4, height: 4 }, record: { row } };
    }
  },
  sample: ({ id, record }, { options }) => {
    if (options.broken > 0 && record.row % options.broken === 0) {
      throw badSample({ id, source: 'made-tars' }, 'damage', 'none');
    }
    return { turns: [{ question: 'what', answer: `caption ${record.row}` }] };
  },
});

test('a source in tars says where they begin, in memory and from its index, and its order opens a window of them', async () => {
  const root = temporaryFolder('tristage-tars-');
  writeFileSync(join(root, 'list.txt'), 'made');
  const open = (broken: number) =>
    openIndexed(tars.plan({ root, broken }), {
      ...{ place: { index: join(root, 'index') }, verify: 'quick', tool: 'test', info: () => undefined },
    });
  const starts = Array.from({ length: TARS }, (_, tar) => tar * ROWS);
  assert.deepEqual((await tars.open({ root })).shards, starts);
  const whole = (await open(0)).source;
  assert.deepEqual(whole.shards, starts);
  // Every fifth row is gone, so five of each tar.
  const part = (await open(5)).source;
  assert.deepEqual([part.length, part.shards], [TARS * 20, Array.from({ length: TARS }, (_, tar) => tar * 20)]);

  const stream = loaderOrder({ lines: [{ source: whole, rate: 1, window: 4 }], seed: 1, globalBatch: 4 * ROWS });
  const seen = new Set<number>();
  for (let step = 0; step < TARS / 4; step++) {
    // A step is as large as a window here, so each has four tars of its own.
    const opened = new Set(stream.step(step).map(({ index }) => Math.floor(index / ROWS)));
    assert.equal(opened.size, 4);
    for (const tar of opened) seen.add(tar);
  }
  assert.equal(seen.size, TARS);
  const mixed = loaderOrder({ lines: [{ source: whole, rate: 1, window: TARS }], seed: 1, globalBatch: 4 * ROWS });
  assert.ok(new Set(mixed.step(0).map(({ index }) => Math.floor(index / ROWS))).size > 20);
});
