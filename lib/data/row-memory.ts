/** Rows held in memory: for sources that are opened directly, without an index. */

import { createRowHash, openRows } from './open-rows.ts';
import { createRejections, rejectionNotes } from './rejections.ts';
import type { RowPlan, SourceRow } from './rows.ts';
import { shardStarts, watchShards } from './shard-starts.ts';
import { emptySource, type OpenSource } from './source.ts';

/**
 * Reads all rows. What the files of images hold is not looked at; preparing an index does that.
 * @throws TristageError E_SOURCE when no row is usable, and whatever the source raises
 */
export async function openInMemory(plan: RowPlan): Promise<OpenSource> {
  await plan.inputs();
  const rejections = createRejections();
  const hash = createRowHash(plan.root);
  const shards = watchShards();
  const rows: SourceRow<unknown>[] = [];
  for await (const row of plan.rows(rejections)) {
    rows.push(row);
    shards.add(row.image);
    hash.add(row, JSON.stringify(row.record));
  }
  const notes = rejectionNotes(rejections.list());
  if (rows.length === 0) throw emptySource(plan.name, { where: plan.root, found: 'no usable row', notes });
  return openRows(plan, {
    length: rows.length,
    hash: hash.digest(),
    rejections: rejections.list(),
    shards: shardStarts([{ rows: rows.length, shards: shards.run() }]),
    row: async (index) => {
      const row = rows[index];
      if (row === undefined) throw new RangeError(`${plan.name} has no row ${index}`);
      return row;
    },
  });
}
