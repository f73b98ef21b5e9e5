/** Rows into the segments of an unfinished index, with its state after each. */

import { join } from 'node:path';
import { createRowHash, SECTION_ROWS } from '../open-rows.ts';
import type { EncodedRow } from './arrow-rows.ts';
import { type IndexState, STATE, writeRecord } from './manifest.ts';
import { type Segment, segmentName, writeSegment } from './segments.ts';

export interface WriteRequest {
  /** Usable rows behind those of the state. */
  rows: AsyncIterator<EncodedRow>;
  /** What was written before. */
  state: IndexState;
  root: string;
  /** The parts of the state that belong to the rows taken so far. */
  taken: () => Pick<IndexState, 'seen' | 'lastId' | 'rejections' | 'folders'>;
}

export interface Written {
  segments: readonly Segment[];
  batchRows: number;
  /** Of all rows, those of the state among them. */
  fingerprint: string;
}

/** A batch holds about so many bytes, so that one row costs one small read. */
const BATCH_BYTES = 1 << 18;
const MOST_BATCH_ROWS = 4096;
const LEAST_BATCH_ROWS = 32;

/** Writes all rows. Another attempt may start from any state that was written. */
export async function writeSegments(dir: string, { rows, state, root, taken }: WriteRequest): Promise<Written> {
  const hash = createRowHash(root, state.sections);
  const queue = queueOf(rows);
  const segments = [...state.segments];
  const batchRows = state.batchRows > 0 ? state.batchRows : await batchRowsFor(queue);
  async function* section(): AsyncGenerator<EncodedRow> {
    for (let place = 0; place < SECTION_ROWS; place++) {
      const row = await queue.take();
      if (row === undefined) return;
      hash.add(row, row.record);
      yield row;
    }
  }
  while (await queue.more()) {
    segments.push(await writeSegment(join(dir, segmentName(segments.length)), { rows: section(), batchRows }));
    // A short segment is the last; a state after it would name a section that is not whole.
    if (segments.at(-1)?.rows !== SECTION_ROWS) break;
    await writeRecord(dir, STATE, { ...state, batchRows, segments, sections: hash.sections(), ...taken() });
  }
  return { segments, batchRows, fingerprint: hash.digest() };
}

/** Rows that may be looked at before they are taken. */
interface RowQueue {
  more(): Promise<boolean>;
  take(): Promise<EncodedRow | undefined>;
  /** Rows from here on, without taking them, until `enough` says so. */
  ahead(enough: (row: EncodedRow, count: number) => boolean): Promise<number>;
}

function queueOf(rows: AsyncIterator<EncodedRow>): RowQueue {
  const waiting: EncodedRow[] = [];
  const pull = async (): Promise<EncodedRow | undefined> => {
    const { done, value } = await rows.next();
    return done === true ? undefined : value;
  };
  return {
    async more() {
      const row = waiting.length > 0 ? undefined : await pull();
      if (row !== undefined) waiting.push(row);
      return waiting.length > 0;
    },
    take: async () => waiting.shift() ?? pull(),
    async ahead(enough) {
      for (;;) {
        const row = await pull();
        if (row === undefined) return waiting.length;
        waiting.push(row);
        if (enough(row, waiting.length)) return waiting.length;
      }
    },
  };
}

/** Rows of a batch: the power of two that the first rows make likely to fill BATCH_BYTES. */
async function batchRowsFor(queue: RowQueue): Promise<number> {
  let bytes = 0;
  const count = await queue.ahead((row, rows) => {
    bytes += row.id.length + row.record.length;
    return rows >= MOST_BATCH_ROWS || bytes >= BATCH_BYTES;
  });
  if (bytes < BATCH_BYTES) return MOST_BATCH_ROWS;
  return Math.max(LEAST_BATCH_ROWS, 2 ** Math.floor(Math.log2(count)));
}
