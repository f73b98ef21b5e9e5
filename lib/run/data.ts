/** Opens the sources of a run and the loader over them. */

import type { RunConfig } from '../config/schema.ts';
import { sha256 } from '../core/hash.ts';
import type { EncodeOptions } from '../data/encode.ts';
import type { BadSample, LeftOutRows } from '../data/ledger.ts';
import { createLoader, type Loader, type LoaderOptions, loaderOrder } from '../data/loader.ts';
import type { OpenSource } from '../data/source.ts';
import type { SampleStream } from '../data/stream.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { collectPieces, pruneTokenizer } from '../data/vocabulary.ts';
import { type ModelConfig, tokensPerImage } from '../model/config.ts';
import type { Registry } from './config.ts';
import { dataFaults } from './data-faults.ts';
import { type Drawing, openSourceLine, partLine } from './open-source.ts';
import { checkRows, openTokenizer } from './tokenizer.ts';

/** Raised when the same run would draw other samples: a run that began with another order cannot go on. */
const ORDER = 2;

/** A line of the mixture with its source open. */
export interface OpenLine extends Drawing {
  source: OpenSource;
  task: string;
}

export interface OpenData {
  /** The configuration of the run, with the rows that its vocabulary has. */
  config: RunConfig;
  tokenizer: Tokenizer;
  /** Hash of the tokenizer's files; absent for LLaMA's own. */
  tokenizerHash?: string | undefined;
  /** Kept pieces of the LLaMA tokenizer, where the vocabulary is pruned. */
  pieces?: readonly number[] | undefined;
  lines: readonly OpenLine[];
  /** Equal fingerprints mean equal samples. */
  fingerprint: string;
}

/**
 * Opens every source of a run.
 * @param kept pieces that a pruned vocabulary takes over; absent: those that the sources can use
 * @throws TristageError of kind `data` for missing or empty sources, all of them at once, E_TOKENIZER and E_VOCABULARY for a tokenizer
 *   that cannot be used or does not fit the model
 */
export async function openData(config: RunConfig, registry: Registry, kept?: readonly number[]): Promise<OpenData> {
  const opened = await openTokenizer(config.model);
  const { whole } = opened;
  const pruned = config.model.vocabulary === 'pruned';
  if (!pruned) checkRows(config.model, opened);
  const lines: OpenLine[] = [];
  const faults = dataFaults();
  for (const { drawing, line } of config.data.mixture.sources.map(partLine)) {
    const source = await faults.attempt(() => openSourceLine(line, { registry, cache: config.data.cache }));
    if (source !== undefined) lines.push({ source, ...drawing, task: line.task ?? '' });
  }
  faults.raise();
  const fingerprint = sha256(
    JSON.stringify([ORDER, lines.map(({ source, task, rate }) => [source.name, source.fingerprint, task, rate])]),
  );
  if (!pruned) return { config, tokenizer: whole, tokenizerHash: opened.file?.sha256, lines, fingerprint };
  const sources = lines.map(({ source }) => source);
  const pieces = kept ?? (await collectPieces(sources, whole));
  return {
    config: withVocabulary(config, pieces.length),
    tokenizer: pruneTokenizer(whole, pieces),
    pieces,
    lines,
    fingerprint,
  };
}

function withVocabulary(config: RunConfig, vocabulary: number): RunConfig {
  const { model } = config;
  return { ...config, model: { ...model, llm: { ...model.llm, vocabulary } } };
}

/** What the sources say of how they were opened, such as rows that they left out; each text once, with its source. */
export function sourceNotes({ lines }: Pick<OpenData, 'lines'>): string[] {
  const notes = lines.flatMap(({ source: { name, notes: own } }) => own.map((note) => `source ${name}: ${note}`));
  return [...new Set(notes)];
}

/** What the sources left out when they were opened, for the ledger. */
export function leftOutOf({ lines }: OpenData): LeftOutRows[] {
  return lines.flatMap(({ source: { name, leftOut = [] } }) =>
    leftOut.map(({ reason, count, examples }) => ({ source: name, leftOut: count, cause: reason, where: examples })),
  );
}

export interface LoaderRequest {
  config: RunConfig;
  model: ModelConfig;
  data: OpenData;
  onBadSamples: (entries: readonly BadSample[]) => void | Promise<void>;
  /** As `LoaderOptions.prefetch`. */
  prefetch?: number;
  /** As `LoaderOptions.done`. */
  done?: LoaderOptions['done'];
  /** As `LoaderOptions.features`. */
  features?: LoaderOptions['features'];
}

/** How the samples of a run become tokens. */
export function encodeOptionsOf({
  config,
  model,
  data,
}: Pick<LoaderRequest, 'config' | 'model' | 'data'>): EncodeOptions {
  return { tokenizer: data.tokenizer, imageTokens: tokensPerImage(model), maxTokens: config.data.maxTokens };
}

/** Which samples a run draws, in which order. */
export function orderOf(config: RunConfig, { lines }: Pick<OpenData, 'lines'>): SampleStream {
  return loaderOrder(orderOptions(config, lines));
}

function orderOptions({ data: { mixture, packing }, train }: RunConfig, lines: readonly OpenLine[]) {
  return {
    lines,
    seed: train.seed,
    unit: mixture.unit,
    ...(mixture.unit === 'sample' ? { globalBatch: train.globalBatch } : {}),
    packing,
  };
}

/** The loader of a run: the batch of a step is a pure function of the step. */
export function openLoader(request: LoaderRequest): Loader {
  const { config, model, data, onBadSamples, prefetch, done, features } = request;
  return createLoader({
    ...orderOptions(config, data.lines),
    encode: encodeOptionsOf({ config, model, data }),
    images: { size: model.vision.imageSize, transform: config.data.transform },
    ...(prefetch === undefined ? {} : { prefetch }),
    done,
    features,
    onBadSamples,
  });
}
