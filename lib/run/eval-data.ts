/** The questions of an evaluation: which sources, which samples of them, read once and asked of any number of models. */

import { configError } from '../config/errors.ts';
import type { EvalSourceConfig, RunConfig } from '../config/schema.ts';
import { evalDefaults } from '../config/schema-eval.ts';
import { sha256 } from '../core/hash.ts';
import type { ImageTransform } from '../data/image.ts';
import type { Sample } from '../data/sample.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { summarise } from '../eval/metrics/summary.ts';
import { collectQuestions, type Questions, withSharedImages } from '../eval/questions.ts';
import { unanswered } from '../eval/runner.ts';
import { type Registry, sourceOf } from './config.ts';
import { openSourceLine, partLine } from './open-source.ts';
import { openTokenizer } from './tokenizer.ts';

/** How questions are chosen and answered. */
export type EvalSettings = NonNullable<RunConfig['eval']>;

/** Questions that are ready to be asked. */
export interface Evaluation {
  settings: EvalSettings;
  samples: readonly Sample[];
  tokenizer: Tokenizer;
  transform: ImageTransform;
  /** Equal fingerprints mean equal questions. */
  fingerprint: string;
  /** Facts for people: what was left out, and of what there was less than asked for. */
  notes: readonly string[];
}

export interface OpenEvaluationRequest {
  /** Its `eval`; without one, `split` says which part of the training sources to ask about. */
  config: RunConfig;
  registry: Registry;
  /** The one that the model was trained with; absent: the whole one that the configuration names. */
  tokenizer?: Tokenizer | undefined;
  /** Questions of each task of each source, in place of what the lines say. */
  samples?: number | undefined;
  /** Split of every source, in place of what the lines say; sources without splits are left out. */
  split?: string | undefined;
}

/**
 * Opens the sources of an evaluation and reads its questions.
 * @throws TristageError E_EVAL_SOURCES when there is nothing to ask, E_TRUTH for a question that cannot be scored, and those of
 *   opening and reading sources
 */
export async function openEvaluation(request: OpenEvaluationRequest): Promise<Evaluation> {
  const { config, registry } = request;
  const notes: string[] = [];
  const settings = settingsOf(request, notes);
  const samples: Sample[] = [];
  const facts: unknown[] = [];
  for (const { samples: perTask, ...line } of settings.sources) {
    const name = line.source;
    const source = await openSourceLine(line, { registry, cache: config.data.cache });
    const questions = await collectQuestions({ source, perTask, seed: settings.seed });
    notes.push(...source.notes, ...remarks(name, questions, perTask));
    samples.push(...questions.samples);
    facts.push([name, source.fingerprint, questions.samples.map(({ id }) => id)]);
  }
  // A question that cannot be scored is an error before a model spends its time, not after.
  summarise(samples.map((sample) => unanswered(sample)));
  return {
    settings,
    samples: withSharedImages(samples),
    tokenizer: request.tokenizer ?? (await openTokenizer(config.model)).whole,
    transform: config.data.transform,
    fingerprint: sha256(JSON.stringify(facts)),
    notes,
  };
}

function settingsOf(request: OpenEvaluationRequest, notes: string[]): EvalSettings {
  const { config, samples, split } = request;
  const settings = config.eval ?? (split === undefined ? undefined : evalDefaults(withoutRates(config)));
  if (settings === undefined) throw nothingToAsk('no `eval` in its configuration');
  const lines: readonly EvalSourceConfig[] = settings.sources;
  const sources = lines
    .filter((line) => split === undefined || hasSplit(line, request, notes))
    .map((line) => ({
      ...line,
      // An index holds the rows of one split.
      ...(split === undefined ? {} : { split, index: undefined }),
      ...(samples === undefined ? {} : { samples }),
    }));
  if (sources.length === 0) throw nothingToAsk(`no source with a split ${split}`);
  return { ...settings, sources };
}

function withoutRates({ data }: RunConfig) {
  return data.mixture.sources.map((source) => partLine(source).line);
}

function hasSplit({ source }: EvalSourceConfig, { registry }: OpenEvaluationRequest, notes: string[]): boolean {
  const known = 'split' in sourceOf(source, registry).options.shape;
  if (!known) notes.push(`source ${source} has no splits and is left out`);
  return known;
}

/** What could not be asked, and the tasks of which there are fewer questions than wanted. */
function remarks(source: string, { samples, unusable }: Questions, perTask: number): string[] {
  const counts = new Map<string, number>();
  for (const { task } of samples) counts.set(task, (counts.get(task) ?? 0) + 1);
  const few = [...counts]
    .filter(([, count]) => count < perTask)
    .map(([task, count]) => `source ${source} has ${count} of ${perTask} questions of ${task}`);
  if (unusable.length === 0) return few;
  return [`${unusable.length} samples of source ${source} cannot be asked; the first: ${unusable[0]}`, ...few];
}

function nothingToAsk(found: string) {
  return configError({
    code: 'E_EVAL_SOURCES',
    message: 'the run does not say what to ask',
    where: 'eval.sources',
    found,
    expected: 'sources of questions that were not trained on',
    fix: 'name a file that has them with --config, or take another split of the training sources with --split heldout',
  });
}
