/** `tristage prepare-features`: fills the feature cache of runs before they train. */

import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { keyOfImage } from '../data/feature-store/keyed-image.ts';
import { createImageWorkers, type ImageWorkers } from '../data/image-workers.ts';
import type { ImageRef, KeyedImage } from '../data/sample.ts';
import type { OpenSource } from '../data/source.ts';
import { openEngine } from '../engine/engine.ts';
import { disposeParams } from '../model/store.ts';
import { announceEngine } from './announce-engine.ts';
import type { Registry, ResolvedRun } from './config.ts';
import { openRunFeatures, type RunFeatures } from './feature-cache.ts';
import { openSourceLine, partLine } from './open-source.ts';
import { openRuns } from './plugins.ts';
import { openTower } from './tower.ts';

export interface PrepareFeaturesRequest {
  files: readonly string[];
  set: readonly string[];
  registry: Registry;
  logger: Logger;
  signal?: AbortSignal | undefined;
}

/** What was done for one run. */
export interface PreparedFeatures {
  name: string;
  /** Images that were in the cache already, or had come from another sample. */
  present: number;
  computed: number;
  /** Of these, what found no room. */
  unstored: number;
  evicted: number;
  /** Samples or images that cannot be used; training replaces them and says which. */
  unusable: number;
  /** Whether there was no room for all; then the rest was not looked at. */
  full: boolean;
}

/** Samples that are looked at together: their images are decoded while the tower computes on those before. */
const TOGETHER = 32;
const LINE_MS = 5000;

/**
 * Sees every image of the sources of every run, and stores what its tower makes of it. An interrupted call goes on where it was.
 * @throws TristageError E_FEATURE_CACHE for a run without data.featureCache; those of opening sources and reading weights
 */
export async function prepareFeatures(request: PrepareFeaturesRequest): Promise<PreparedFeatures[]> {
  const { files, set, registry } = request;
  const runs = await openRuns(files, { registry, set });
  for (const { file, config } of runs) if (config.data.featureCache === undefined) throw noCache(file);
  const prepared: PreparedFeatures[] = [];
  for (const run of runs) prepared.push(await prepareRun(run, request));
  return prepared;
}

async function prepareRun(
  { config, registry }: ResolvedRun,
  { logger, signal }: PrepareFeaturesRequest,
): Promise<PreparedFeatures> {
  const sources: OpenSource[] = [];
  for (const { line } of config.data.mixture.sources.map(partLine))
    sources.push(await openSourceLine(line, { registry, cache: config.data.cache }));
  const { backend, device, threads } = config.engine;
  const engine = await openEngine({ backend, device, threads });
  announceEngine(logger, engine);
  const tower = await openTower(config, registry);
  const workers = createImageWorkers({ size: config.model.vision.imageSize, transform: config.data.transform });
  const done: PreparedFeatures = {
    name: config.name,
    ...{ present: 0, computed: 0, unstored: 0, evicted: 0 },
    unusable: 0,
    full: false,
  };
  try {
    const features = (await openRunFeatures({ config, model: tower, engine, logger })) as RunFeatures;
    for (const source of sources) await prepareSource(source, { features, workers, done, logger, signal });
    await features.close();
    count(done, features);
    return done;
  } finally {
    await workers.close();
    disposeParams(tower.store);
  }
}

interface Work {
  features: RunFeatures;
  workers: Pick<ImageWorkers, 'load'>;
  done: PreparedFeatures;
  logger: Logger;
  signal: AbortSignal | undefined;
}

async function prepareSource(source: OpenSource, work: Work): Promise<void> {
  const { features, done, logger, signal } = work;
  let said = performance.now();
  let next = decoded(source, 0, work);
  for (let first = 0; first < source.length && !done.full; first += TOGETHER) {
    const images = await next;
    next = decoded(source, first + TOGETHER, work);
    // A failure waits until it is asked for.
    next.catch(() => undefined);
    signal?.throwIfAborted();
    await features.complete(images);
    count(done, features);
    if (performance.now() - said < LINE_MS) continue;
    said = performance.now();
    const { present, computed } = done;
    const far = Math.min(first + TOGETHER, source.length);
    logger.info(
      `source ${source.name}: ${far} of ${source.length} samples, ${computed} images computed, ${present} there`,
    );
  }
  await next.catch(() => undefined);
}

function count(done: PreparedFeatures, features: RunFeatures): void {
  const { misses, evicted, unstored } = features.counts();
  done.computed += misses;
  done.evicted += evicted;
  done.unstored += unstored;
  done.full = done.unstored > 0;
}

/** The images of some samples that are not in the cache, decoded. */
async function decoded(source: OpenSource, first: number, { features, workers, done }: Work): Promise<KeyedImage[]> {
  const places = Array.from({ length: Math.max(0, Math.min(TOGETHER, source.length - first)) }, (_, i) => first + i);
  const known = new Set<string>();
  const images = places.map(async (place): Promise<KeyedImage[]> => {
    try {
      const image = await imageOf(source, place);
      if (image === undefined) return [];
      const { key, image: read } = await keyOfImage(image);
      if (known.has(key)) return [];
      known.add(key);
      if (!(await features.store.has(key))) return [{ key, pixels: await workers.load(read) }];
      done.present++;
    } catch (error) {
      if (!(error instanceof TristageError && error.kind === 'data')) throw error;
      done.unusable++;
    }
    return [];
  });
  return (await Promise.all(images)).flat();
}

/** The image of a sample; how its question would be worded does not matter. */
async function imageOf(source: OpenSource, index: number): Promise<ImageRef | undefined> {
  return (await source.get(index, () => 0)).image;
}

function noCache(file: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_FEATURE_CACHE',
    message: 'this run has no feature cache that could be filled',
    where: file,
    found: 'no data.featureCache',
    expected: 'data.featureCache, with which the run will train',
    fix: "add it to the file, or --set 'data.featureCache={}'",
  });
}
