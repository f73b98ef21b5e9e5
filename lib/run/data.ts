/** Opens the sources of a run and the loader over them. */

import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import type { BadSample } from '../data/ledger.ts';
import { createLoader, type Loader } from '../data/loader.ts';
import type { OpenSource } from '../data/source.ts';
import { llama2Tokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { type ModelConfig, tokensPerImage } from '../model/config.ts';
import { type Registry, sourceOf } from './config.ts';

/** A line of the mixture with its source open. */
export interface OpenLine {
  source: OpenSource;
  task: string;
  rate: number;
}

export interface OpenData {
  tokenizer: Tokenizer;
  lines: readonly OpenLine[];
  /** Equal fingerprints mean equal samples. */
  fingerprint: string;
}

/**
 * Opens every source of a run.
 * @throws TristageError of kind `data` for missing or empty sources, E_VOCABULARY when the model has fewer rows than the tokenizer
 */
export async function openData(config: RunConfig, registry: Registry): Promise<OpenData> {
  const tokenizer = await llama2Tokenizer();
  checkVocabulary(config, tokenizer);
  const lines: OpenLine[] = [];
  for (const { source: name, rate, ...options } of config.data.mixture.sources) {
    const source = await sourceOf(name, registry).open(options);
    lines.push({ source, rate, task: options.task ?? '' });
  }
  const fingerprint = sha256(
    JSON.stringify(lines.map(({ source, task, rate }) => [source.name, source.fingerprint, task, rate])),
  );
  return { tokenizer, lines, fingerprint };
}

function checkVocabulary({ model }: RunConfig, tokenizer: Tokenizer): void {
  if (model.llm.vocabulary >= tokenizer.vocabSize) return;
  throw new TristageError({
    kind: 'config',
    code: 'E_VOCABULARY',
    message: 'the model has fewer rows than the tokenizer has pieces',
    where: 'model.llm.vocabulary',
    found: String(model.llm.vocabulary),
    expected: `at least ${tokenizer.vocabSize}`,
  });
}

export interface LoaderRequest {
  config: RunConfig;
  model: ModelConfig;
  data: OpenData;
  onBadSamples: (entries: readonly BadSample[]) => void | Promise<void>;
}

/** The loader of a run: batches of `train.globalBatch` samples, a pure function of the step. */
export function openLoader({ config, model, data, onBadSamples }: LoaderRequest): Loader {
  const { transform, maxTokens, packing } = config.data;
  return createLoader({
    lines: data.lines,
    seed: config.train.seed,
    globalBatch: config.train.globalBatch,
    encode: { tokenizer: data.tokenizer, imageTokens: tokensPerImage(model), maxTokens },
    images: { size: model.vision.imageSize, transform },
    packing,
    onBadSamples,
  });
}
