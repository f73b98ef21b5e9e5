/** The index of a source, made where it is missing or no longer true. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { openRows } from '../open-rows.ts';
import type { Rejection } from '../rejections.ts';
import type { RowPlan } from '../rows.ts';
import type { OpenSource } from '../source.ts';
import { type BuildRequest, buildIndex, digestInputs } from './build.ts';
import { fitnessOf, fitRows } from './fitness.ts';
import { withLock } from './lock.ts';
import { type IndexManifest, type InputDigest, readManifest, VERIFY } from './manifest.ts';
import { checkIndexKey, openIndex, staleness } from './open-index.ts';
import { badIndex } from './segments.ts';

export interface EnsureRequest extends Omit<BuildRequest, 'folder' | 'inputs'> {
  /** The index itself, or the cache folder in which it gets a folder of its own. */
  place: { index: string } | { cache: string };
  /** Told what is about to be done and why; silent when the index is there. */
  info: (message: string) => void;
}

interface EnsuredIndex {
  folder: string;
  manifest: IndexManifest;
  /** False when it was there already. */
  built: boolean;
}

/**
 * Finds or makes the index of a source. What lies in a cache is made again when it is damaged; an index that was named is refused.
 * @throws TristageError E_INDEX, E_INDEX_OTHER, and those of `buildIndex`
 */
async function ensureIndex(plan: RowPlan, request: EnsureRequest): Promise<EnsuredIndex> {
  const inputs = await digestInputs(plan);
  const named = 'index' in request.place;
  const folder =
    'index' in request.place ? request.place.index : cached(plan, { inputs, request, cache: request.place.cache });
  const known = await usable(plan, { folder, inputs, request, named });
  if ('manifest' in known) return { folder, manifest: known.manifest, built: false };
  const build = async (): Promise<EnsuredIndex> => {
    // Another process may have made it while this one waited.
    const again = await usable(plan, { folder, inputs, request, named });
    if ('manifest' in again) return { folder, manifest: again.manifest, built: false };
    request.info(`source ${plan.name}: ${again.reason}; reading its files into ${folder}`);
    return { folder, manifest: await buildIndex(plan, { ...request, folder, inputs }), built: true };
  };
  return withLock(`${folder}.lock`, {
    work: build,
    onWait: () => request.info(`source ${plan.name}: another process is making its index; waiting for it`),
    signal: request.signal,
  });
}

/** The folder of an index within a cache: one for each source, place, content and way of looking at it. */
function cached(
  plan: RowPlan,
  { inputs, request, cache }: { inputs: readonly InputDigest[]; request: EnsureRequest; cache: string },
): string {
  const key = sha256(JSON.stringify([plan.indexKey, plan.revision, plan.places, inputs, request.verify]));
  return join(cache, `${plan.name}-${key.slice(0, 16)}`);
}

interface Look {
  folder: string;
  inputs: readonly InputDigest[];
  request: EnsureRequest;
  named: boolean;
}

/** The manifest of an index that can be used, or why there is none. */
async function usable(plan: RowPlan, look: Look): Promise<{ manifest: IndexManifest } | { reason: string }> {
  const { folder, inputs, request, named } = look;
  try {
    const manifest = await readManifest(folder);
    if (manifest === undefined) {
      if (named) await checkFree(folder);
      return { reason: 'it has no index yet' };
    }
    checkIndexKey(folder, manifest, plan);
    if (manifest.revision !== plan.revision) return { reason: 'its rows are read in another way now' };
    const changed = await staleness(manifest, { root: plan.root, inputs });
    if (changed !== undefined) return { reason: `its index is out of date, ${changed}` };
    if (VERIFY.indexOf(manifest.verify) < VERIFY.indexOf(request.verify)) {
      return { reason: 'its images were not looked at so closely' };
    }
    await openIndex(folder, manifest);
    return { manifest };
  } catch (error) {
    if (named || !(error instanceof TristageError && error.code === 'E_INDEX')) throw error;
    return { reason: `its index is damaged (${error.where}: ${error.found})` };
  }
}

/** A folder that is no index is not ours to replace. */
async function checkFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw badIndex(folder, error.code ?? error.message, 'a folder', error);
  });
  if (names.length > 0)
    throw badIndex(folder, `other files, such as ${names[0]}`, 'an index, or a folder that is empty or not there');
}

/** A source through its index. */
export interface IndexedSource extends EnsuredIndex {
  source: OpenSource;
  /** What is left out for this task and wording, beside what the manifest says. */
  rejections: readonly Rejection[];
}

/**
 * Opens a source through its index, making what is missing.
 * @throws TristageError as {@link ensureIndex}; E_SOURCE when no row gives a sample
 */
export async function openIndexed(plan: RowPlan, request: EnsureRequest): Promise<IndexedSource> {
  const ensured = await ensureIndex(plan, request);
  const store = await openIndex(ensured.folder, ensured.manifest);
  const { tool, info, signal } = request;
  const fitness = await fitnessOf(plan, store, { dir: ensured.folder, tool, info, signal });
  return { ...ensured, source: openRows(plan, fitRows(store, fitness)), rejections: fitness.rejections };
}
