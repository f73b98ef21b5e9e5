/** Questions to a model while it trains: figures for events and TensorBoard, and which checkpoint is the best so far. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.ts';
import type { Logger } from '../core/log.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { estimatesOf, figuresOf } from '../eval/metrics/figures.ts';
import type { MiniGpt } from '../model/minigpt.ts';
import { readEvents } from '../report/events.ts';
import type { Registry } from './config.ts';
import { evaluateModel } from './eval.ts';
import { openEvaluation } from './eval-data.ts';
import type { RunFeatures } from './feature-cache.ts';
import type { Recorder } from './recorder.ts';
import { type BestCheckpoint, RUN_FILES } from './run-folder.ts';

export interface Examiner {
  /**
   * Questions the model where its step asks for it.
   * @returns true when it is better than ever, so that it should be saved
   */
  examine(step: number): Promise<boolean>;
  best(): BestCheckpoint | undefined;
}

export interface ExaminerRequest {
  config: RunConfig;
  registry: Registry;
  tokenizer: Tokenizer;
  model: MiniGpt;
  /** Where visual features are cached. */
  features?: Pick<RunFeatures, 'see' | 'counts'> | undefined;
  /** Run folder. */
  folder: string;
  /** Updates already done. */
  from: number;
  recorder: Recorder;
  logger: Logger;
}

/**
 * Reads the questions of `train.eval`.
 * @returns one that never asks where the run has no such settings
 * @throws TristageError E_EVAL_SOURCES, and those of opening and reading sources
 */
export async function openExaminer(request: ExaminerRequest): Promise<Examiner> {
  const { config, registry, tokenizer, model, features, recorder, logger } = request;
  const { eval: settings, checkpoint, steps } = config.train;
  if (settings === undefined) return { examine: async () => false, best: () => undefined };
  const evaluation = await openEvaluation({ config, registry, tokenizer, samples: settings.samples });
  for (const note of evaluation.notes) logger.warn(note);
  let best = bestBefore(request);
  return {
    best: () => best,
    async examine(step) {
      if (step % settings.everySteps !== 0 && step !== steps) return false;
      const start = performance.now();
      const { metrics } = await evaluateModel({ model, evaluation, see: features?.see });
      const seconds = (performance.now() - start) / 1000;
      const values = figuresOf(metrics);
      const found = bestOf({ wanted: checkpoint.best, values, step, best });
      const better = found !== best;
      best = found;
      const figures = Object.fromEntries(estimatesOf(metrics));
      const counts = features?.counts();
      recorder.tracker.addFeatures(counts);
      const told = { step, figures, seconds, features: counts, ...(better && best && { best }) };
      recorder.write({ event: 'evaluation', ...told });
      recorder.scalars(
        step,
        Object.fromEntries(Object.entries(values).map(([name, value]) => [`eval/${name}`, value])),
      );
      const shown = Object.entries(metrics.tasks).map(([task, { value }]) => `${task} ${value.toFixed(3)}`);
      logger.info(`step ${step}: ${shown.join(', ')}${better ? ', the best so far' : ''} (${seconds.toFixed(1)} s)`);
      if (checkpoint.best !== undefined && values[checkpoint.best.metric] === undefined)
        logger.warn(`the questions give no ${checkpoint.best.metric}, only ${Object.keys(values).join(', ')}`);
      return better;
    },
  };
}

/** The best checkpoint with this step's figure taken into account; the one before where this is not better. */
function bestOf(request: {
  wanted: RunConfig['train']['checkpoint']['best'];
  values: Readonly<Record<string, number>>;
  step: number;
  best: BestCheckpoint | undefined;
}): BestCheckpoint | undefined {
  const { wanted, values, step, best } = request;
  const value = wanted === undefined ? undefined : values[wanted.metric];
  if (wanted === undefined || value === undefined || !Number.isFinite(value)) return best;
  const better = best === undefined || (wanted.mode === 'max' ? value > best.value : value < best.value);
  return better ? { step, metric: wanted.metric, value, checkpoint: `${RUN_FILES.checkpoints}/step-${step}` } : best;
}

/** The best checkpoint of the earlier parts of the run. */
function bestBefore({ config, folder, from }: ExaminerRequest): BestCheckpoint | undefined {
  const wanted = config.train.checkpoint.best;
  if (wanted === undefined || from === 0) return undefined;
  const found = readEvents(join(folder, RUN_FILES.events)).flatMap((event) =>
    event.event === 'evaluation' && event.best?.metric === wanted.metric ? event.best : [],
  );
  return found.findLast(({ checkpoint }) => existsSync(join(folder, checkpoint)));
}
