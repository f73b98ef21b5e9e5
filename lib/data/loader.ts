/** Steps to Batches: draws samples, encodes them, loads their images, packs them where wanted, and does so a few steps ahead. */

import { TristageError } from '../core/errors.ts';
import { type CollateOptions, collate, type LoadedImage } from './collate.ts';
import { type EncodeOptions, encodeSample } from './encode.ts';
import { keyedLoader } from './feature-store/keyed-image.ts';
import type { FeatureStore } from './feature-store/store.ts';
import { createImageWorkers, type ImageWorkers, type ImageWorkersOptions } from './image-workers.ts';
import { type BadSample, type BadSampleBudget, causeOf, createBudget } from './ledger.ts';
import { collatePacked, type LoadedBatch, type PackingOptions } from './loaded-batch.ts';
import { createPixelMemory, type PixelMemory } from './pixel-memory.ts';
import { badSample, checkSample, type Example, type ImageRef, type Sample } from './sample.ts';
import type { OpenSource } from './source.ts';
import { createStream, type Reader, type SampleRef, type SampleStream, shareOf } from './stream.ts';

/** A source in the mixture. */
export interface LoaderLine {
  source: OpenSource;
  rate: number;
  /** With unit `batch` only. */
  batch?: number | undefined;
  /** As `StreamLine`. */
  cap?: number | undefined;
  /** As `StreamLine`, for sources that lie in shards. */
  window?: number | undefined;
  /** Share of its samples that may be bad; default 0.01. */
  badShare?: number | undefined;
}

export interface LoaderOptions {
  lines: readonly LoaderLine[];
  seed: number;
  /** Rows of a step. With unit `batch` each line has its own. */
  globalBatch?: number;
  unit?: 'sample' | 'batch';
  encode: EncodeOptions;
  images: ImageWorkersOptions;
  /** Images are looked up here before they are decoded, and batches have them `keyed`. Default: every image is decoded. */
  features?: Pick<FeatureStore, 'get'> | undefined;
  collate?: CollateOptions;
  /**
   * Questions share rows, and visual prefixes where they share an image; the samples of one image are drawn together, while rates go
   * on counting samples. An example that is longer than a row is replaced and reported. Absent: a row for each example.
   */
  packing?: PackingOptions | undefined;
  /** Steps that are made ready ahead. Default 2. */
  prefetch?: number;
  /** Gets the replaced samples of each step before its batch is given out; awaited. */
  onBadSamples?: (entries: readonly BadSample[]) => void | Promise<void>;
  /** Of each line, where it has no `badShare`. */
  budget?: BadSampleBudget;
  /** What was done before, where a run goes on: its samples count against the budgets. */
  done?: { steps: number; bad: readonly BadSample[] } | undefined;
  /** Where several processes share a step, the one that this is; its batches are its part of them. Default: there is one. */
  reader?: Reader;
}

export interface Loader {
  /** The order in which it draws. */
  readonly stream: SampleStream;
  /**
   * The batch of a step; any order is allowed, consecutive steps are ready soonest.
   * @throws TristageError E_BAD_SAMPLES when too many samples had to be replaced
   */
  batch(step: number): Promise<LoadedBatch>;
  /** Gives the pixels of a batch back for those of another; who keeps the batch need not. */
  recycle(batch: LoadedBatch): void;
  /** Stops the work ahead and the image threads. */
  close(): Promise<void>;
}

/** Samples that are tried for one place before the run stops. */
const MOST_ATTEMPTS = 16;

/** The samples behind an error that stopped a step: nothing took their place, but the ledger is to name them. */
const UNREPLACED = new WeakMap<object, readonly BadSample[]>();

interface Row {
  example: Example;
  /** The example's images. */
  loaded: readonly LoadedImage[];
  bad: BadSample[];
}

interface Ready {
  batch: LoadedBatch;
  refs: readonly SampleRef[];
  /** For each of them what could not be used in its place. */
  bad: readonly (readonly BadSample[])[];
}

/**
 * A loader over open sources. Batches depend on sources, seed and step alone, not on what was asked before.
 * @throws RangeError for rates or batch sizes that are not positive
 */
export function createLoader(options: LoaderOptions): Loader {
  const { prefetch = 2 } = options;
  const stream = loaderOrder(options);
  const workers = createImageWorkers(options.images);
  const memory = createPixelMemory({ shared: false });
  const ahead = new Map<number, Promise<Ready>>();
  const { steps, bad: before } = options.done ?? { steps: 0, bad: [] };
  const counts = stream.counts(steps);
  const budgets = options.lines.map(({ badShare }, place) =>
    createBudget(
      { ...options.budget, ...(badShare === undefined ? {} : { share: badShare }) },
      { seen: counts[place] ?? 0, bad: before.filter(({ line }) => line === place).length },
    ),
  );
  const start = (step: number): Promise<Ready> => {
    const known = ahead.get(step);
    if (known !== undefined) return known;
    const ready = prepare(step, { options, stream, load: imageLoader(options, workers), workers, memory });
    // Reported when the step is asked for; until then it must not count as unhandled.
    ready.catch(() => undefined);
    ahead.set(step, ready);
    return ready;
  };
  return {
    stream,
    async batch(step) {
      const ready = start(step);
      for (const other of [...ahead.keys()]) if (other < step || other > step + prefetch) ahead.delete(other);
      for (let next = step + 1; next <= step + prefetch; next++) void start(next);
      const { batch, bad, refs } = await ready.catch(async (error: unknown) => {
        await options.onBadSamples?.(UNREPLACED.get(error as object) ?? []);
        throw error;
      });
      ahead.delete(step);
      if (bad.some(({ length }) => length > 0)) await options.onBadSamples?.(bad.flat());
      for (const [place, { line }] of refs.entries()) budgets[line]?.seen(bad[place] ?? []);
      return batch;
    },
    recycle: ({ pixels }) => memory.give(pixels),
    async close() {
      ahead.clear();
      await workers.close();
    },
  };
}

/** The order in which a loader with these options draws. */
export function loaderOrder({
  lines,
  seed,
  unit = 'sample',
  globalBatch,
  packing,
}: Pick<LoaderOptions, 'lines' | 'seed' | 'unit' | 'globalBatch' | 'packing'>): SampleStream {
  return createStream({
    lines: lines.map(({ source, rate, batch, cap, window }) => ({
      length: source.length,
      fingerprint: source.fingerprint,
      ...(source.inOrder === true ? { inOrder: true } : {}),
      ...(source.shards === undefined ? {} : { shards: source.shards }),
      ...(window === undefined ? {} : { window }),
      rate,
      ...(batch === undefined ? {} : { batch }),
      ...(cap === undefined ? {} : { cap }),
      ...(packing === undefined ? {} : { group: source.samplesPerImage ?? 1 }),
    })),
    seed,
    unit,
    ...(globalBatch === undefined ? {} : { globalBatch }),
  });
}

interface Work {
  options: LoaderOptions;
  stream: SampleStream;
  load: (image: ImageRef) => Promise<LoadedImage>;
  workers: Pick<ImageWorkers, 'recycle'>;
  /** For the pixels of batches. */
  memory: PixelMemory;
}

async function prepare(step: number, work: Work): Promise<Ready> {
  const { reader = { reader: 0, readers: 1 } } = work.options;
  const all = work.stream.step(step);
  const { first, refs } = shareOf(all, reader);
  if (refs.length === 0) throw new RangeError(`a step of ${all.length} samples for ${reader.readers} readers`);
  const load = once(work.load);
  const rows = await Promise.all(
    refs.map((ref, place) => fillPlace(ref, { ...work, load, step, slot: first + place })),
  );
  const batch = batchOf(rows, work);
  // The batch has its own copy, in one piece.
  for (const image of rows.flatMap(({ loaded }) => loaded)) if (!('key' in image)) work.workers.recycle(image);
  return { batch, refs, bad: rows.map((row) => row.bad) };
}

/** Loads the images of one step. */
function imageLoader({ features }: LoaderOptions, { load, borrow }: ImageWorkers): Work['load'] {
  return features === undefined ? borrow : keyedLoader({ store: features, load });
}

/** Loads each image object once, however many samples show it. */
function once(load: Work['load']): Work['load'] {
  const loaded = new Map<ImageRef, Promise<LoadedImage>>();
  return (image) => {
    const known = loaded.get(image) ?? load(image);
    loaded.set(image, known);
    return known;
  };
}

function batchOf(rows: readonly Row[], { options, memory }: Pick<Work, 'options' | 'memory'>): LoadedBatch {
  const { packing, encode, images, collate: how } = options;
  const examples = rows.map((row) => row.example);
  const take = memory.take;
  if (packing === undefined) {
    return collate(examples, { pixels: rows.flatMap((row) => row.loaded), imageSize: images.size, take }, how);
  }
  const loaded = new Map(
    rows.flatMap(({ example, loaded: own }) => example.images.map((image, place) => [image, own[place]] as const)),
  );
  return collatePacked({
    examples,
    pixelsOf: (image) => loaded.get(image) as LoadedImage,
    imageSize: images.size,
    imageTokens: encode.imageTokens,
    packing,
    take,
  });
}

/** The row of a place; a sample that cannot be used gives way to another of its source. */
async function fillPlace(place: SampleRef, work: Work & { step: number; slot: number }): Promise<Row> {
  const { source } = work.options.lines[place.line] as LoaderLine;
  const bad: BadSample[] = [];
  let ref = place;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    if (attempt > 0) ref = work.stream.replacement(place, attempt);
    try {
      const { example, loaded } = await rowOf(ref, source, work);
      return { example, loaded, bad: bad.map((entry) => ({ ...entry, replacedBy: ref.index })) };
    } catch (error) {
      if (!(error instanceof TristageError && error.kind === 'data')) throw error;
      const { step, slot } = work;
      bad.push({ step, slot, line: place.line, source: source.name, index: ref.index, ...causeOf(error) });
    }
  }
  const last = bad.at(-1) as BadSample;
  const error = new TristageError({
    kind: 'data',
    code: 'E_BAD_SAMPLES',
    message: `${MOST_ATTEMPTS} samples in a row cannot be used`,
    where: `${last.source}: ${last.where}`,
    found: `${last.code}, ${last.cause}`,
    expected: 'samples with readable images and answers',
    fix: 'check the files of this source',
  });
  UNREPLACED.set(error, bad);
  throw error;
}

async function rowOf(ref: SampleRef, source: OpenSource, { options, stream, load }: Work): Promise<Omit<Row, 'bad'>> {
  const sample = await source.get(ref.index, stream.pick(ref));
  checkSample(sample);
  const { line, ...drawn } = ref;
  const example = { ...encodeSample(sample, options.encode), line, drawn };
  if (options.packing !== undefined) checkLength(sample, example, options.packing);
  return { example, loaded: await Promise.all(example.images.map(load)) };
}

function checkLength(sample: Sample, { tokenIds }: Example, { maxTokens }: PackingOptions): void {
  if (tokenIds.length <= maxTokens) return;
  throw badSample(
    sample,
    `an example of ${tokenIds.length} tokens`,
    `at most ${maxTokens}, the length of a packed row`,
  );
}
