/** Where samples of another tar begin, so that an order can read tars one behind the other. */

import type { RowImage } from './rows.ts';

/** The tars of some rows in a row. */
export interface ShardRun {
  /** Tar of the first and of the last row; empty for a row without one. */
  first: string;
  last: string;
  /** Rows, counted from the first, before which the tar changes. */
  changes: number[];
}

export interface ShardRuns {
  add(image: RowImage | undefined): void;
  /** Of the rows so far; null where tars take turns, or there are no rows. */
  run(): ShardRun | null;
}

/** Tars with fewer rows than this, on average, are not worth reading one behind the other; a few may be shorter. */
const LEAST_ROWS = 8;
const FEW = 16;

/** Watches rows go by. */
export function watchShards(): ShardRuns {
  let rows = 0;
  let found: ShardRun | undefined;
  let tooMany = false;
  return {
    add(image) {
      const shard = image !== undefined && 'shard' in image ? image.shard : '';
      found ??= { first: shard, last: shard, changes: [] };
      if (shard !== found.last && !tooMany) found.changes.push(rows);
      // A list as long as the rows would tell nothing.
      tooMany ||= found.changes.length > FEW + rows / LEAST_ROWS;
      found.last = shard;
      rows += 1;
    },
    run: () => (found === undefined || tooMany ? null : found),
  };
}

/**
 * First rows of tars among parts that stand one behind the other.
 * @returns ascending from 0; undefined where there are not several tars, or rows of which the tars take turns
 */
export function shardStarts(
  parts: readonly { rows: number; shards: ShardRun | null }[],
): readonly number[] | undefined {
  const starts = [0];
  let before = 0;
  let last: string | undefined;
  for (const { rows, shards } of parts) {
    if (shards === null) return undefined;
    if (last !== undefined && shards.first !== last) starts.push(before);
    for (const change of shards.changes) starts.push(before + change);
    last = shards.last;
    before += rows;
  }
  return starts.length > 1 ? starts : undefined;
}

/** First rows of tars when some rows are left out. */
export function startsWithout(
  starts: readonly number[] | undefined,
  { skippedBefore, length }: { skippedBefore: (row: number) => number; length: number },
): readonly number[] | undefined {
  if (starts === undefined) return undefined;
  const moved = new Set(starts.map((start) => start - skippedBefore(start)));
  const kept = [...moved].filter((start) => start < length);
  return kept.length > 1 ? kept : undefined;
}
