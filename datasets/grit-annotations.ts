/** GRIT's annotations as published, apart from the images: parquet or JSON lines, joined with tars that lack their columns. */

import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RowScan, SourceRow } from '../lib/data/row-source.ts';
import { emptySource } from '../lib/data/source.ts';
import { jsonLines } from '../lib/formats/json-stream.ts';
import { parquetRows } from '../lib/formats/parquet.ts';
import { recordOf } from './annotation-files.ts';
import type { WebRecord } from './web-shards.ts';

/** Columns of the published files that are used. */
const COLUMNS = ['id', 'url', 'caption', 'noun_chunks', 'ref_exps'];
/** Rows of tars that wait for their annotations at once: about 200 MB. */
const GROUP = 500_000;
const FILE = /\.(parquet|jsonl)$/;

/**
 * The files, in the order of their numbers.
 * @param path a file, or a folder of `coyo_0_snappy.parquet`, `coyo_1_snappy.parquet` and so on
 * @throws TristageError E_SOURCE when there is none
 */
export async function gritAnnotationFiles(root: string, path: string): Promise<string[]> {
  const place = resolve(root, path);
  const found = await stat(place).catch(() => undefined);
  if (found?.isFile() && FILE.test(place)) return [place];
  const names = found?.isDirectory() ? (await readdir(place)).filter((name) => FILE.test(name)) : [];
  if (names.length > 0) {
    const order = new Intl.Collator('en', { numeric: true });
    return names.sort(order.compare).map((name) => join(place, name));
  }
  throw emptySource('grit', { where: place, found: 'no annotations', expected: '.parquet or .jsonl files' });
}

/** The rows of the files, one after the other. */
export async function* gritAnnotations(files: readonly string[]): AsyncIterable<WebRecord> {
  for (const file of files) {
    if (file.endsWith('.parquet')) yield* parquetRows(file, COLUMNS);
    else for await (const row of jsonLines(file)) yield recordOf(row) ?? {};
  }
}

export interface JoinRequest<Row> {
  /** Rows of the tars; their columns hold the `id` or at least the `url` of the annotation. */
  rows: AsyncIterable<SourceRow<{ columns: WebRecord }>>;
  /** All annotations, from the first. */
  annotations(): AsyncIterable<WebRecord>;
  joined(columns: WebRecord, annotation: WebRecord): Row;
  /** Rows that wait at once. */
  group?: number;
}

/**
 * Rows of tars with their annotations, in the order in which the annotations stand. Tars keep that order but for neighbours and for
 * what could not be downloaded, so the annotations are read about once; in another order they are read again for each group.
 */
export async function* joinAnnotations<Row>(
  { rows, annotations, joined, group = GROUP }: JoinRequest<Row>,
  scan: RowScan,
): AsyncIterable<SourceRow<Row>> {
  const reader = cycle(annotations);
  try {
    for await (const waiting of groups(rows, { size: group, scan })) {
      reader.startRound();
      while (waiting.size > 0) {
        scan.signal?.throwIfAborted();
        const annotation = await reader.next();
        if (annotation === undefined) break;
        for (const key of keysOf(annotation)) {
          const row = waiting.get(key);
          if (row === undefined) continue;
          waiting.delete(key);
          yield { ...row, record: joined(row.record.columns, annotation) };
        }
      }
      for (const { id } of waiting.values()) scan.reject('no annotation', id);
    }
  } finally {
    await reader.close();
  }
}

async function* groups<Row extends SourceRow<{ columns: WebRecord }>>(
  rows: AsyncIterable<Row>,
  { size, scan }: { size: number; scan: RowScan },
): AsyncIterable<Map<string, Row>> {
  let waiting = new Map<string, Row>();
  for await (const row of rows) {
    const [key] = keysOf(row.record.columns);
    if (key === undefined) scan.reject('neither id nor url', row.id);
    else if (waiting.has(key)) scan.reject('image twice', row.id);
    else waiting.set(key, row);
    if (waiting.size < size) continue;
    yield waiting;
    waiting = new Map();
  }
  if (waiting.size > 0) yield waiting;
}

/** The id, which is sure, before the url. */
function keysOf({ id, url }: WebRecord): string[] {
  const keys = typeof id === 'number' || typeof id === 'string' ? [`id ${id}`] : [];
  return typeof url === 'string' && url !== '' ? [...keys, `url ${url}`] : keys;
}

/** Reads a stream round and round: each round begins where the last one stopped, and ends there. */
function cycle<T>(open: () => AsyncIterable<T>) {
  let iterator: AsyncIterator<T> | undefined;
  let position = 0;
  let start = 0;
  let wrapped = false;
  return {
    startRound(): void {
      start = position;
      wrapped = false;
    },
    /** The next item, or undefined when all were seen in this round. */
    async next(): Promise<T | undefined> {
      while (!(wrapped && position >= start)) {
        iterator ??= open()[Symbol.asyncIterator]();
        const { done, value } = await iterator.next();
        if (!done) {
          position += 1;
          return value;
        }
        iterator = undefined;
        position = 0;
        wrapped = true;
      }
      return undefined;
    },
    async close(): Promise<void> {
      await iterator?.return?.();
    },
  };
}
