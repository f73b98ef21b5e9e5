/** Looks at samples of a run without loading a pixel: how long they are, and how well they fill packed rows. */

import type { RunConfig } from '../../config/schema.ts';
import { TristageError } from '../../core/errors.ts';
import { permutation, randomStream } from '../../core/rng.ts';
import { type EncodeOptions, encodeSample } from '../../data/encode.ts';
import { packExamples } from '../../data/pack.ts';
import { checkSample, type Example, type Sample } from '../../data/sample.ts';
import type { SampleRef, SampleStream } from '../../data/stream.ts';
import type { OpenData, OpenLine } from '../data.ts';
import type { LookedStep, RowShape } from './passes.ts';

/** Lengths of the samples of a source, in tokens, visual ones included, as training sees them. */
export interface TokenFacts {
  mean: number;
  p95: number;
  longest: number;
  /** Mean of the supervised ones. */
  supervised: number;
  /** Mean before anything is cut. */
  uncut: number;
  /** Share of the samples that are cut to data.maxTokens, 0..1. */
  cut: number;
}

/** What some samples of a source are like. */
export interface SourceFacts {
  looked: number;
  /** Share that has an image, 0..1. */
  withImage: number;
  /** Absent where none could be used. */
  tokens?: TokenFacts;
  /** How many cannot be used, and why the first of them. */
  unusable: number;
  why?: string;
}

/** Keys of the random streams, apart from those of the order. */
const LOOK = 101;

/**
 * Looks at samples of one source, chosen by the seed.
 * @param request encode: as training encodes; samples: how many at most
 */
export async function measureSource(request: {
  line: OpenLine;
  place: number;
  stream: SampleStream;
  seed: number;
  encode: EncodeOptions;
  packed: number | undefined;
  samples: number;
}): Promise<SourceFacts> {
  const { line, place, stream, seed, samples, ...options } = request;
  const { length } = line.source;
  const chosen = permutation(length, randomStream(seed, LOOK, place));
  const looked = Math.min(samples, length);
  const lengths: { trained: number; uncut: number; supervised: number }[] = [];
  let images = 0;
  let unusable = 0;
  let why: string | undefined;
  for (let number = 0; number < looked; number++) {
    const ref = { line: place, index: chosen(number), position: chosen(number), epoch: 0 };
    try {
      const { sample, example } = await exampleOf(ref, { line, stream, ...options });
      const { maxTokens: _, ...whole } = options.encode;
      lengths.push({
        trained: example.tokenIds.length,
        uncut: encodeSample(sample, whole).tokenIds.length,
        supervised: example.labels.reduce((sum, label) => sum + (label >= 0 ? 1 : 0), 0),
      });
      images += example.images.length > 0 ? 1 : 0;
    } catch (error) {
      if (!(error instanceof TristageError && error.kind === 'data')) throw error;
      unusable += 1;
      why ??= `${error.code}, ${error.where ?? ''}: ${error.message}${error.found === undefined ? '' : `, ${error.found}`}`;
    }
  }
  const tokens = lengths.length === 0 ? undefined : tokenFacts(lengths);
  return {
    looked,
    withImage: images / Math.max(1, lengths.length),
    ...(tokens && { tokens }),
    unusable,
    ...(why === undefined ? {} : { why }),
  };
}

function tokenFacts(lengths: readonly { trained: number; uncut: number; supervised: number }[]): TokenFacts {
  const sorted = lengths.map(({ trained }) => trained).sort((a, b) => a - b);
  const mean = (of: (length: (typeof lengths)[number]) => number): number =>
    lengths.reduce((sum, length) => sum + of(length), 0) / lengths.length;
  return {
    mean: mean(({ trained }) => trained),
    p95: sorted[Math.ceil(0.95 * sorted.length) - 1] as number,
    longest: sorted.at(-1) as number,
    supervised: mean(({ supervised }) => supervised),
    uncut: mean(({ uncut }) => uncut),
    cut: lengths.filter(({ trained, uncut }) => uncut > trained).length / lengths.length,
  };
}

/** @throws TristageError of kind `data` for a sample that training would replace */
async function exampleOf(
  ref: SampleRef,
  {
    line,
    stream,
    encode,
    packed,
  }: { line: OpenLine; stream: SampleStream; encode: EncodeOptions; packed: number | undefined },
): Promise<{ sample: Sample; example: Example }> {
  const sample = await line.source.get(ref.index, stream.pick(ref));
  checkSample(sample);
  const example = encodeSample(sample, encode);
  if (packed === undefined || example.tokenIds.length <= packed) return { sample, example };
  throw new TristageError({
    kind: 'data',
    code: 'E_SAMPLE',
    message: 'a sample is longer than a packed row',
    where: `${sample.source} ${sample.id}`,
    found: `${example.tokenIds.length} tokens`,
    expected: `at most ${packed}`,
  });
}

/** What a step is like, on average over some steps of the run. */
export interface StepFacts {
  looked: number;
  samples: number;
  images: number;
  /** Of the rows as they go through the model, padding not counted. */
  tokens: number;
  rows: number;
  /** Share of the places of rows, padded to the longest of their step, that hold a token. */
  fill: number;
  /** Tokens that examples of one image share, of all that they would have alone, 0..1. */
  shared: number;
}

/** Examples that are looked at for the figures of steps, about. */
const ENOUGH = 3000;
const MOST_STEPS = 64;

/**
 * Looks at some steps, spread over the run.
 * @returns what they are like on average, and the rows of each
 */
export async function measureSteps(request: {
  config: RunConfig;
  data: Pick<OpenData, 'lines'>;
  stream: SampleStream;
  encode: EncodeOptions;
}): Promise<{ facts: StepFacts; steps: LookedStep[] }> {
  const { config, data, stream, encode } = request;
  const { steps, globalBatch } = config.train;
  const packed = config.data.packing?.maxTokens;
  const looked = Math.min(steps, MOST_STEPS, Math.max(1, Math.ceil(ENOUGH / globalBatch)));
  const total = { samples: 0, images: 0, tokens: 0, rows: 0, places: 0, alone: 0 };
  const seen: LookedStep[] = [];
  for (let number = 0; number < looked; number++) {
    const examples: Example[] = [];
    for (const ref of stream.step(Math.floor((number * steps) / looked))) {
      const example = await drawn(ref, { line: data.lines[ref.line] as OpenLine, stream, encode, packed });
      if (example !== undefined) examples.push(example);
    }
    const { imageTokens } = encode;
    const rows = packed === undefined ? loose(examples) : together(examples, { maxTokens: packed, imageTokens });
    for (const [key, value] of Object.entries(counted(rows))) total[key as keyof typeof total] += value;
    seen.push(rows);
    total.alone += examples.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  }
  const { samples, images, tokens, rows, places, alone } = total;
  const facts = {
    looked,
    ...{ samples: samples / looked, images: images / looked, tokens: tokens / looked, rows: rows / looked },
    fill: tokens / Math.max(1, places),
    shared: 1 - tokens / Math.max(1, alone),
  };
  return { facts, steps: seen };
}

/** Samples that are tried for a place; a run would try more. */
const ATTEMPTS = 4;

async function drawn(ref: SampleRef, options: Parameters<typeof exampleOf>[1]): Promise<Example | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const own = attempt === 0 ? ref : options.stream.replacement(ref, attempt);
    try {
      return (await exampleOf(own, options)).example;
    } catch (error) {
      if (!(error instanceof TristageError && error.kind === 'data')) throw error;
    }
  }
  return undefined;
}

function counted(rows: LookedStep): { samples: number; images: number; tokens: number; rows: number; places: number } {
  const sum = (of: (row: RowShape) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const longest = rows.reduce((most, { tokens }) => Math.max(most, tokens), 0);
  return {
    samples: sum(({ examples }) => examples),
    images: sum(({ images }) => images),
    tokens: sum(({ tokens }) => tokens),
    rows: rows.length,
    places: rows.length * longest,
  };
}

/** Labelled tokens; the first of a row is never predicted. */
function supervisedOf(labels: Int32Array): number {
  return labels.reduce((count, label, place) => count + (label >= 0 && place > 0 ? 1 : 0), 0);
}

function loose(examples: readonly Example[]): RowShape[] {
  return examples.map(({ tokenIds, labels, images }) => ({
    tokens: tokenIds.length,
    images: images.length,
    supervised: supervisedOf(labels),
    examples: 1,
  }));
}

function together(examples: readonly Example[], options: { maxTokens: number; imageTokens: number }): RowShape[] {
  return packExamples(examples, options).rows.map(({ tokenIds, labels, images, examples: own }) => ({
    tokens: tokenIds.length,
    images: images.length,
    supervised: supervisedOf(labels),
    examples: own.length,
  }));
}
