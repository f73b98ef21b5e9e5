/**
 * Makes an index: reads the rows of a source once, checks them, writes segments, and a manifest at the end. Everything goes into a
 * folder beside the final one, with its state after each segment; called again after an interruption it reads the rows again but
 * checks and writes only those behind the last finished segment. The finished folder gets its name in one step.
 */

import { mkdir, rm, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { publishFolderAtomic, removeTemporaries } from '../../core/atomic.ts';
import { watchReads } from '../../core/read-progress.ts';
import { belowRoot } from '../open-rows.ts';
import { createRejections, type Rejection, rejectionNotes } from '../rejections.ts';
import type { RowImage, RowPlan, SourceRow } from '../rows.ts';
import type { EncodedImage } from '../sample.ts';
import { emptySource } from '../source.ts';
import type { EncodedRow } from './arrow-rows.ts';
import { createRowChecks } from './check-rows.ts';
import { digestFolder, digestInput } from './digests.ts';
import {
  type FolderDigest,
  type IndexManifest,
  type IndexState,
  type InputDigest,
  MANIFEST,
  type RowFault,
  readState,
  STATE,
  type Verify,
  writeRecord,
} from './manifest.ts';
import { badIndex, segmentName } from './segments.ts';
import { type WriteRequest, writeSegments } from './write-segments.ts';

export interface BuildRequest {
  /** Final folder. */
  folder: string;
  verify: Verify;
  /** Decodes an image whole; needed by `verify: decode`. */
  decode?: (image: EncodedImage) => Promise<unknown>;
  /** Name and version of the program. */
  tool: string;
  /** Digests of the inputs where they are known already. */
  inputs?: readonly InputDigest[] | undefined;
  /** Told after every few hundred rows. */
  onProgress?: (progress: BuildProgress) => void;
  /** Told how many rows an interrupted attempt had finished. */
  onResume?: (rows: number) => void;
  signal?: AbortSignal;
}

export interface BuildProgress {
  /** Rows that were looked at. */
  seen: number;
  rejected: number;
  /** Of the input files, about so much is read, 0..1; 0 where that is not known. */
  share: number;
}

/** Rows that are checked at once. */
const CHUNK_ROWS = 256;
/** Files whose digests are made side by side. */
const DIGESTS_AT_ONCE = 8;
/** Beyond so many folders of images their names are not watched. */
const MOST_FOLDERS = 512;

/**
 * Builds the index of a source.
 * @throws TristageError E_SOURCE when no row is usable, what the source raises, and the reason of `signal`
 */
export async function buildIndex(plan: RowPlan, request: BuildRequest): Promise<IndexManifest> {
  const partial = `${request.folder}.partial`;
  await mkdir(partial, { recursive: true });
  await removeTemporaries(partial);
  const inputs = request.inputs ?? (await digestInputs(plan));
  const state = (await continued(partial, plan, { inputs, verify: request.verify })) ?? {
    ...{
      format: 1 as const,
      source: plan.name,
      key: plan.indexKey,
      revision: plan.revision,
      verify: request.verify,
      inputs: [...inputs],
    },
    ...{ batchRows: 0, segments: [], seen: 0, lastId: '', sections: [], rejections: [], folders: [] },
  };
  if (state.seen > 0) request.onResume?.(state.segments.reduce((sum, { rows }) => sum + rows, 0));
  const reads = new Map<string, number>();
  const work = openWork(plan, { state, request, share: await shareOf(plan, { inputs, reads }) });
  const { segments, batchRows, fingerprint } = await watchReads(
    (path, position) => reads.set(path, position),
    () => writeSegments(partial, { rows: work.rows, state, root: plan.root, taken: work.taken }),
  );
  const rejections = work.rejections();
  const rejected = total(rejections);
  const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
  if (rows === 0) {
    await rm(partial, { recursive: true, force: true });
    throw emptySource(plan.name, {
      where: plan.root,
      found: rejected === 0 ? 'no row for these options' : `none of ${rejected} rows`,
      notes: rejectionNotes(rejections),
    });
  }
  const manifest: IndexManifest = {
    ...{
      format: 1,
      tool: request.tool,
      source: plan.name,
      key: plan.indexKey,
      revision: plan.revision,
      verify: request.verify,
    },
    ...{ rows, fingerprint, rejected, rejections, batchRows, segments: [...segments] },
    ...{ inputs: [...inputs], folders: await digestFolders(work.taken().folders, plan.root) },
  };
  await rm(join(partial, STATE), { force: true });
  await writeRecord(partial, MANIFEST, manifest);
  await publishFolderAtomic(partial, request.folder);
  return manifest;
}

/** Tells how much of the inputs is read. A file may be read twice, first for what it holds: the latest reading counts. */
async function shareOf(
  plan: RowPlan,
  { inputs, reads }: { inputs: readonly InputDigest[]; reads: ReadonlyMap<string, number> },
): Promise<() => number> {
  const paths = await plan.inputs();
  const total = inputs.reduce((sum, { bytes }) => sum + bytes, 0);
  return () => paths.reduce((sum, path) => sum + (reads.get(path) ?? 0), 0) / Math.max(1, total);
}

async function digestFolders(paths: readonly string[], root: string): Promise<FolderDigest[]> {
  if (paths.length > MOST_FOLDERS) return [];
  const digests: FolderDigest[] = [];
  for (const path of [...paths].sort()) digests.push(await digestFolder(path, root));
  return digests;
}

/** Digests of all inputs of a source, in their order. */
export async function digestInputs(plan: RowPlan): Promise<InputDigest[]> {
  const paths = await plan.inputs();
  const digests: InputDigest[] = [];
  for (let start = 0; start < paths.length; start += DIGESTS_AT_ONCE) {
    const some = paths.slice(start, start + DIGESTS_AT_ONCE);
    digests.push(...(await Promise.all(some.map((path) => digestInput(path, plan.root)))));
  }
  return digests;
}

/** The state of an earlier attempt, if it was at the same work and its files are whole. */
async function continued(
  partial: string,
  plan: RowPlan,
  { inputs, verify }: { inputs: readonly InputDigest[]; verify: Verify },
): Promise<IndexState | undefined> {
  const state = await readState(partial);
  if (state === undefined) return undefined;
  const own = { source: plan.name, key: JSON.parse(JSON.stringify(plan.indexKey)), revision: plan.revision };
  const { source, key, revision, verify: how, inputs: digests } = state;
  const there = { source, key, revision, verify: how, inputs: digests };
  if (!isDeepStrictEqual(there, { ...own, verify, inputs })) return undefined;
  for (const [place, { bytes }] of state.segments.entries()) {
    const status = await stat(join(partial, segmentName(place))).catch(() => undefined);
    if (status?.size !== bytes) return undefined;
  }
  return state;
}

/** Rows on their way through the checks. */
interface Work {
  rows: AsyncIterator<EncodedRow>;
  /** What the source and the checks left out. */
  rejections(): Rejection[];
  /** Up to the last row taken. */
  taken: WriteRequest['taken'];
}

function openWork(
  plan: RowPlan,
  { state, request, share }: { state: IndexState; request: BuildRequest; share: () => number },
): Work {
  const source = createRejections();
  const checks = createRejections(state.rejections);
  const folders = new Set(state.folders);
  const taken = { rows: state.seen, lastId: state.lastId };
  const { check } = createRowChecks(plan, { verify: request.verify, decode: request.decode });
  const { signal, onProgress } = request;
  const scan = { reject: source.reject, ...(signal === undefined ? {} : { signal }) };
  async function* usable(): AsyncGenerator<EncodedRow> {
    let before = 0;
    const size = plan.samplesPerImage;
    for await (const chunk of chunks(plan.rows(scan), CHUNK_ROWS * size)) {
      signal?.throwIfAborted();
      // Rows of an earlier attempt are passed over, but the rows of one image are judged together.
      const known = Math.min(Math.max(0, state.seen - before), chunk.length);
      if (known > 0 && before + known === state.seen) checkSameRow(plan, chunk[known - 1], state.lastId);
      before += chunk.length;
      if (known === chunk.length) continue;
      const from = known - (known % size);
      const found = byGroups(await settled(chunk.slice(from).map(check)), size);
      for (let place = known; place < chunk.length; place++) {
        const item = found[place - from] as EncodedRow | RowFault;
        const { id, image } = chunk[place] as SourceRow<unknown>;
        taken.rows += 1;
        taken.lastId = id;
        if (image !== undefined) noteFolder(folders, image, plan.root);
        if ('reason' in item) checks.reject(item.reason, item.where);
        else yield item;
      }
      onProgress?.({ seen: taken.rows, rejected: total(source.list()) + total(checks.list()), share: share() });
    }
  }
  return {
    rows: usable(),
    rejections: () => [...source.list(), ...checks.list()],
    taken: () => ({ seen: taken.rows, lastId: taken.lastId, rejections: checks.list(), folders: [...folders] }),
  };
}

/** Awaits only where there is something to wait for. */
async function settled<T extends object>(items: readonly (T | Promise<T>)[]): Promise<readonly T[]> {
  return items.some((item) => item instanceof Promise) ? Promise.all(items) : (items as readonly T[]);
}

/** Equal inputs must give equal rows; else nothing that was kept can be trusted. */
function checkSameRow(plan: RowPlan, row: SourceRow<unknown> | undefined, id: string): void {
  if (row?.id === id) return;
  throw badIndex(plan.name, `row ${row?.id} where ${id} was before`, 'the same rows from the same files');
}

async function* chunks<T>(items: AsyncIterable<T>, size: number): AsyncIterable<T[]> {
  let chunk: T[] = [];
  for await (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

function total(rejections: readonly Rejection[]): number {
  return rejections.reduce((sum, { count }) => sum + count, 0);
}

/** Rows of one image stay together: where one is left out, all are. */
function byGroups(found: readonly (EncodedRow | RowFault)[], size: number): readonly (EncodedRow | RowFault)[] {
  if (size === 1) return found;
  return found.map((item, place) => {
    const start = place - (place % size);
    const fault = found.slice(start, start + size).find((other) => 'reason' in other);
    if (fault === undefined || 'reason' in item) return item;
    return { reason: 'another row of its image cannot be used', where: item.id };
  });
}

function noteFolder(folders: Set<string>, image: RowImage, root: string): void {
  if (!('file' in image) || folders.size > MOST_FOLDERS) return;
  const path = belowRoot(image.file, root);
  for (let folder = posix.dirname(path); !folders.has(folder); folder = posix.dirname(folder)) folders.add(folder);
}
