/** The feature cache of a run: the store of lib/data and the tower of lib/model joined. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.ts';
import type { FeatureCounts } from '../core/feature-counts.ts';
import type { Logger } from '../core/log.ts';
import { cacheDir } from '../core/paths.ts';
import { keyedLoader } from '../data/feature-store/keyed-image.ts';
import { type FeatureStore, openFeatureStore } from '../data/feature-store/store.ts';
import { loadImage } from '../data/image.ts';
import type { LoadedBatch } from '../data/loaded-batch.ts';
import type { ImageRef, KeyedImage } from '../data/sample.ts';
import type { EngineInfo } from '../engine/engine.ts';
import type { SeenImages } from '../model/batch.ts';
import type { Tower } from '../model/minigpt.ts';
import { seeEach } from '../model/see-each.ts';
import type { ParamStore } from '../model/store.ts';
import { seenSize, towerHash } from '../model/vision/seen.ts';
import { countsBetween, describeCounts, NO_COUNTS } from './feature-counts.ts';
import type { SummaryTracker } from './summary.ts';

/** Raised when the same image would give other features: entries of before are not found any more. */
const REVISION = 1;

/** Images whose features lie on the device before they are read back. */
const TOGETHER = 16;

/** Features of images by a frozen tower. */
export interface RunFeatures {
  /** For the loader, which looks images up before it decodes them. */
  readonly store: Pick<FeatureStore, 'get' | 'has'>;
  /**
   * What the tower sees in the images of a batch: from the store, else computed and stored. Equal images are seen once.
   * @param images of any part of a batch
   * @returns by their keys
   */
  complete(images: readonly KeyedImage[]): Promise<ReadonlyMap<string, Float32Array>>;
  /**
   * The same for images that no loader has seen.
   * @returns f32[P, Dv] of each
   * @throws TristageError E_IMAGE for one that cannot be read
   */
  see(images: readonly ImageRef[]): Promise<Float32Array[]>;
  /** What happened since this was asked last. */
  counts(): FeatureCounts;
  /** Waits until everything is stored. */
  close(): Promise<void>;
}

export interface RunFeaturesRequest {
  config: Pick<RunConfig, 'data' | 'engine'>;
  /** A model, or its tower alone; frozen. */
  model: Tower & { store: ParamStore };
  /** The one that computes. */
  engine: EngineInfo;
  logger: Pick<Logger, 'warn'>;
  /** Only a cache that is there already: whoever asks a run later may stand in another folder. */
  existing?: boolean;
}

/** The folder of features that nobody named. */
function featureDir({ dir }: { dir?: string | undefined }): string {
  return dir ?? join(cacheDir(), 'features');
}

/**
 * Opens the cache of a run.
 * @returns undefined where `data.featureCache` is absent, or its folder is and is not to be made
 * @throws TristageError E_FEATURE_CACHE where the tower trains or the folder cannot be used
 */
export async function openRunFeatures(request: RunFeaturesRequest): Promise<RunFeatures | undefined> {
  const { config, model, logger } = request;
  const { featureCache, transform } = config.data;
  if (featureCache === undefined) return undefined;
  const dir = featureDir(featureCache);
  if (request.existing === true && !existsSync(dir)) return undefined;
  const { vision } = model.config;
  const store = await openFeatureStore({
    dir,
    namespace: await namespaceOf(request),
    values: seenSize(vision),
    dtype: featureCache.dtype,
    maxBytes: featureCache.maxBytes,
    warn: logger.warn,
  });
  const asked = { hits: 0, misses: 0 };
  let told = NO_COUNTS;
  const complete = async (images: readonly KeyedImage[]): Promise<Map<string, Float32Array>> => {
    const seen = new Map<string, Float32Array>();
    const missing = new Map<string, Uint8Array>();
    for (const { key, features, pixels } of images) {
      if (seen.has(key) || missing.has(key)) continue;
      // One that was not there when its batch was prepared may have been computed for a batch before.
      const known = features ?? (await store.get(key));
      if (known !== undefined) seen.set(key, known);
      else missing.set(key, pixels as Uint8Array);
    }
    asked.hits += seen.size;
    asked.misses += missing.size;
    for (const group of groupsOf([...missing], TOGETHER)) {
      const made = await seeEach(model, Buffer.concat(group.map(([, pixels]) => pixels)));
      for (const [place, [key]] of group.entries()) seen.set(key, await store.put(key, made[place] as Float32Array));
    }
    return seen;
  };
  return {
    store,
    complete,
    async see(images) {
      const load = (image: ImageRef) => loadImage(image, { size: vision.imageSize, transform });
      const keyed = await Promise.all(images.map(keyedLoader({ store, load })));
      const seen = await complete(keyed);
      return keyed.map(({ key }) => seen.get(key) as Float32Array);
    },
    counts() {
      const now: FeatureCounts = { ...asked, ...store.counts() };
      const since = countsBetween(told, now);
      told = now;
      return since;
    },
    close: () => store.close(),
  };
}

function groupsOf<T>(items: readonly T[], most: number): T[][] {
  const groups = Math.ceil(items.length / most);
  return Array.from({ length: groups }, (_, group) => items.slice(group * most, (group + 1) * most));
}

/** Everything beside the image that decides the last bit of a feature. A CPU adds up in another order with other threads. */
async function namespaceOf({ config, model, engine }: RunFeaturesRequest): Promise<string> {
  const { backend, version, device, threads } = engine;
  return JSON.stringify({
    revision: REVISION,
    tower: await towerHash(model.store, model.config.vision),
    transform: config.data.transform,
    engine: { backend, version, device, ...(device === 'cpu' ? { threads } : {}) },
    precision: config.engine.precision,
    dtype: config.data.featureCache?.dtype,
  });
}

/**
 * Waits until everything is stored, and says what the cache did.
 * @returns the counts of all parts of the run; undefined where there is no cache
 */
export async function tellFeatures(
  features: RunFeatures | undefined,
  { tracker, logger }: { tracker: Pick<SummaryTracker, 'addFeatures' | 'features'>; logger: Pick<Logger, 'info'> },
): Promise<FeatureCounts | undefined> {
  await features?.close();
  tracker.addFeatures(features?.counts());
  const counts = tracker.features();
  if (counts !== undefined) logger.info(`features: ${describeCounts(counts)}`);
  return counts;
}

/**
 * Parts of a batch with what the tower saw of their images in place of pixels.
 * @param seen of the whole batch, as `complete` gives it
 */
export function withSeen(parts: readonly LoadedBatch[], seen: ReadonlyMap<string, Float32Array>): SeenPart[] {
  return parts.map((part) => ({ ...part, seen: seenImages(part, seen) }));
}

/** A part of a batch whose images were seen. */
export type SeenPart = LoadedBatch & { seen?: SeenImages };

/** Equal images go through the projector each on their own, as without a cache: the sums of its gradient are then the same to the bit. */
function seenImages({ keyed = [] }: LoadedBatch, seen: ReadonlyMap<string, Float32Array>): SeenImages {
  return { tokens: keyed.map(({ key }) => seen.get(key) as Float32Array), order: keyed.map((_, place) => place) };
}
