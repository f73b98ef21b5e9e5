import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shardStarts, startsWithout, watchShards } from '../../../lib/data/shard-starts.ts';

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
