/** Writes the samples of a source into tars, as the source `webdataset` and Python's webdataset read them. */

import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { TAR_END_BYTES, type TarEntry, writeTar } from '../../formats/tar-writer.ts';
import type { Rejection } from '../rejections.ts';
import { emptySource, type OpenSource } from '../source.ts';
import { type ShardGroup, shardGroups } from './groups.ts';
import {
  addProgress,
  dropProgress,
  finishShards,
  openShardFolder,
  type ShardFact,
  type ShardManifest,
  startProgress,
} from './shard-folder.ts';

/** Where a shard ends: before it would exceed either. A single larger sample has a shard of its own. */
export interface ShardLimit {
  /** Bytes of a tar. */
  readonly bytes?: number | undefined;
  /** Keys in a tar. */
  readonly samples?: number | undefined;
}

export interface WriteShardsRequest {
  source: OpenSource;
  folder: string;
  limit: ShardLimit;
  /** Name and version of the program, for the manifest. */
  tool: string;
  /** Told when shards are there from an earlier attempt. */
  onResume?: (shards: number) => void;
  /** Told after each shard. */
  onProgress?: (progress: { shards: number; seen: number; length: number; bytes: number }) => void;
  signal?: AbortSignal | undefined;
}

/** Raised when the same samples would give other bytes. */
const LAYOUT = 1;
/** Names have five digits, in whose order shards are read. */
const MOST_SHARDS = 100_000;
const KEY_DIGITS = 9;

/**
 * Writes shards; equal samples and limits give equal bytes. Each shard appears whole, the manifest last; an interrupted writing goes on
 * behind the last whole shard.
 * @throws TristageError as `openShardFolder`, E_SOURCE when no sample can be written, E_SHARD_LIMIT for more than 100,000 shards;
 *   AbortError when the signal says so
 */
export async function writeShards(request: WriteShardsRequest): Promise<{ manifest: ShardManifest; written: boolean }> {
  const { source, folder, limit, tool } = request;
  const key = sha256(JSON.stringify([LAYOUT, source.fingerprint, limit.bytes ?? null, limit.samples ?? null]));
  const there = await openShardFolder(folder, key);
  if ('manifest' in there) return { manifest: there.manifest, written: false };
  const { shards } = there;
  if (shards.length > 0) request.onResume?.(shards.length);
  await startProgress(folder, { key, shards });
  const left = await writeRest(request, shards);
  const total = (field: 'samples' | 'records' | 'images' | 'bytes'): number =>
    shards.reduce((sum, shard) => sum + shard[field], 0);
  const rejections = joined([...(source.leftOut ?? []), ...shards.flatMap((shard) => shard.rejections), ...left]);
  if (shards.length === 0) {
    await dropProgress(folder);
    const notes = rejections.map(({ reason, count }) => `${count} ${reason}`);
    throw emptySource(source.name, { where: folder, found: 'no sample that can be written', notes });
  }
  const manifest = await finishShards(folder, {
    tool,
    source: source.name,
    key,
    samples: total('samples'),
    records: total('records'),
    images: total('images'),
    bytes: total('bytes'),
    rejections,
    shards: shards.map(({ next: _, rejections: __, ...fact }) => fact),
  });
  return { manifest, written: true };
}

/** Writes what is missing and adds it to the list. @returns what was left out behind the last shard */
async function writeRest(
  { source, folder, limit, onProgress, signal }: WriteShardsRequest,
  shards: ShardFact[],
): Promise<readonly Rejection[]> {
  const groups = shardGroups({ source, from: shards.at(-1)?.next ?? 0, signal });
  let first = shards.reduce((sum, { samples }) => sum + samples, 0);
  let written = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  let step = await groups.next();
  while (step.done !== true) {
    signal?.throwIfAborted();
    if (shards.length === MOST_SHARDS) throw tooMany(folder);
    const held = { step: step as IteratorResult<ShardGroup, readonly Rejection[]> };
    const fact = await writeShard({ folder, limit, groups, held, place: shards.length, first });
    await addProgress(folder, fact);
    shards.push(fact);
    first += fact.samples;
    written += fact.bytes;
    onProgress?.({ shards: shards.length, seen: fact.next, length: source.length, bytes: written });
    step = held.step;
  }
  return step.value;
}

interface OneShard {
  folder: string;
  limit: ShardLimit;
  groups: AsyncGenerator<ShardGroup, readonly Rejection[]>;
  /** The group that comes next; at the end the first of the next shard. */
  held: { step: IteratorResult<ShardGroup, readonly Rejection[]> };
  place: number;
  /** Number of the first key: keys are unique in all shards. */
  first: number;
}

async function writeShard({ folder, limit, groups, held, place, first }: OneShard): Promise<ShardFact> {
  const name = `shard-${String(place).padStart(5, '0')}.tar`;
  const facts = { samples: 0, records: 0, images: 0, next: 0 };
  const rejections: Rejection[] = [];
  async function* entries(): AsyncIterable<TarEntry> {
    let bytes = TAR_END_BYTES;
    for (; held.step.done !== true; held.step = await groups.next()) {
      const group = held.step.value;
      bytes += group.bytes;
      const full = bytes > (limit.bytes ?? Number.POSITIVE_INFINITY) || facts.samples === limit.samples;
      if (full && facts.samples > 0) return;
      yield* entriesOf(group, String(first + facts.samples).padStart(KEY_DIGITS, '0'));
      facts.samples++;
      facts.records += group.records;
      facts.images += group.image === undefined ? 0 : 1;
      facts.next = group.next;
      rejections.push(...group.rejected);
    }
  }
  const written = await writeTar(join(folder, name), entries());
  return { name, ...written, ...facts, rejections: joined(rejections) };
}

function* entriesOf({ image, json }: ShardGroup, key: string): Iterable<TarEntry> {
  if (image !== undefined) yield { name: `${key}.${image.extension}`, content: image.bytes };
  yield { name: `${key}.json`, content: json };
}

/** Counts of the same reason added up. */
function joined(rejections: readonly Rejection[]): Rejection[] {
  const byReason = new Map<string, Rejection>();
  for (const { reason, count, examples } of rejections) {
    const known = byReason.get(reason) ?? { reason, count: 0, examples: [] };
    const all = [...new Set([...known.examples, ...examples])].slice(0, MOST_EXAMPLES);
    byReason.set(reason, { reason, count: known.count + count, examples: all });
  }
  return [...byReason.values()];
}

/** Examples that are kept of each reason. */
const MOST_EXAMPLES = 20;

function tooMany(where: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_SHARD_LIMIT',
    message: 'the source needs too many shards',
    where,
    found: `more than ${MOST_SHARDS}`,
    expected: `at most ${MOST_SHARDS}`,
    fix: 'make them larger with --shard-mb or --shard-samples',
  });
}
