/** A finished index: whether it is still true, and its rows at any place. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { RecordBatch } from 'apache-arrow';
import { TristageError } from '../../core/errors.ts';
import type { RowStore } from '../open-rows.ts';
import { SECTION_ROWS } from '../open-rows.ts';
import type { RowPlan } from '../rows.ts';
import { shardStarts } from '../shard-starts.ts';
import { decodeRow } from './arrow-rows.ts';
import { digestFolder } from './digests.ts';
import type { IndexManifest, InputDigest } from './manifest.ts';
import { type BatchPlace, badIndex, readBatch, readBatchPlaces, segmentName } from './segments.ts';

/** Record batches that are kept, a quarter of a megabyte each or a little more. */
const KEPT_BATCHES = 16;
/** Lists of batches that are kept. */
const KEPT_FOOTERS = 256;

/**
 * The rows of an index. Memory holds the manifest, a few lists of batches and a few batches.
 * @throws TristageError E_INDEX when a segment is missing or has another size
 */
export async function openIndex(dir: string, manifest: IndexManifest): Promise<RowStore> {
  const { segments, batchRows } = manifest;
  for (const [place, { bytes }] of segments.entries()) {
    const path = join(dir, segmentName(place));
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== bytes) {
      throw badIndex(
        path,
        found === undefined ? 'no file' : `${found.size} bytes`,
        `${bytes} bytes, as the manifest says`,
      );
    }
  }
  const rowsOf = (segment: number): number => (segments[segment] as { rows: number }).rows;
  const footers = recent<number, BatchPlace[]>(KEPT_FOOTERS, (segment) => {
    const { rows, bytes } = segments[segment] as (typeof segments)[number];
    return readBatchPlaces(join(dir, segmentName(segment)), { rows, bytes, batchRows });
  });
  const perSegment = SECTION_ROWS / batchRows;
  const batches = recent<number, RecordBatch>(KEPT_BATCHES, async (number) => {
    const segment = Math.floor(number / perSegment);
    const within = number % perSegment;
    const place = (await footers(segment))[within] as BatchPlace;
    const rows = Math.min(batchRows, rowsOf(segment) - within * batchRows);
    return readBatch(join(dir, segmentName(segment)), { place, rows, crc: segments[segment]?.crc[within] });
  });
  return {
    length: manifest.rows,
    hash: manifest.fingerprint,
    rejections: manifest.rejections,
    shards: shardStarts(segments),
    async row(index) {
      if (!(Number.isInteger(index) && index >= 0 && index < manifest.rows)) {
        throw new RangeError(`row ${index} of ${manifest.rows}`);
      }
      const batch = await batches(Math.floor(index / batchRows));
      try {
        return decodeRow(batch, index % batchRows);
      } catch (error) {
        const path = join(dir, segmentName(Math.floor(index / SECTION_ROWS)));
        throw badIndex(path, `row ${index}: ${error instanceof Error ? error.message : String(error)}`, 'a row', error);
      }
    },
  };
}

/** Remembers the latest answers; what failed is asked again. */
function recent<K, V>(size: number, load: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const known = new Map<K, Promise<V>>();
  return (key) => {
    const answer = known.get(key) ?? load(key);
    known.delete(key);
    known.set(key, answer);
    answer.catch(() => known.delete(key));
    if (known.size > size) known.delete(known.keys().next().value as K);
    return answer;
  };
}

/**
 * Refuses an index that was made for something else.
 * @throws TristageError E_INDEX_OTHER naming what differs
 */
export function checkIndexKey(dir: string, manifest: IndexManifest, plan: RowPlan): void {
  const wanted = JSON.parse(JSON.stringify(plan.indexKey)) as unknown;
  if (manifest.source === plan.name && isDeepStrictEqual(manifest.key, wanted)) return;
  throw new TristageError({
    kind: 'data',
    code: 'E_INDEX_OTHER',
    message: 'an index was made of another source or with other options',
    where: dir,
    found: manifest.source === plan.name ? JSON.stringify(manifest.key) : manifest.source,
    expected: manifest.source === plan.name ? JSON.stringify(wanted) : plan.name,
    fix: 'name the index of this source and these options, or prepare one',
  });
}

/**
 * Compares an index with the files as they are now.
 * @param inputs digests of the inputs as they are now
 * @returns what has changed, or undefined
 */
export async function staleness(
  manifest: IndexManifest,
  { root, inputs }: { root: string; inputs: readonly InputDigest[] },
): Promise<string | undefined> {
  for (const [place, input] of inputs.entries()) {
    const known = manifest.inputs[place];
    if (known?.path !== input.path) return `${input.path} is new`;
    if (known.sha256 !== input.sha256) return `${input.path} has changed`;
  }
  if (inputs.length !== manifest.inputs.length) return 'an input file is gone';
  for (const folder of manifest.folders) {
    const now = await digestFolder(folder.path, root);
    if (now.sha256 === folder.sha256) continue;
    const name = folder.path === '.' ? 'the root folder' : folder.path;
    return `${name} has other files: ${now.entries} images and folders, ${folder.entries} before`;
  }
  return undefined;
}
