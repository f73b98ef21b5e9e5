/** Asks a model held-out questions and scores its answers: during training, after a stage, or of a run on disk. */

import type { Logger } from '../core/log.ts';
import { type EngineInfo, openEngine } from '../engine/engine.ts';
import type { Answer } from '../eval/answer.ts';
import { createFeatureCache, type Seeing } from '../eval/feature-cache.ts';
import { type Metrics, summarise, summariseChance } from '../eval/metrics/summary.ts';
import { withOtherImages } from '../eval/questions.ts';
import { answerSamples } from '../eval/runner.ts';
import { disposeMiniGpt, type MiniGpt } from '../model/minigpt.ts';
import { announceEngine } from './announce-engine.ts';
import type { Registry, ResolvedRun } from './config.ts';
import { type Evaluation, openEvaluation } from './eval-data.ts';
import { checkEvalFolder, evalFacts, reportOf, writeEvaluation } from './eval-files.ts';
import { CONTROLS, type EvaluateSettings, type RunEvaluation } from './eval-request.ts';
import { openRunFeatures } from './feature-cache.ts';
import { describeCounts } from './feature-counts.ts';
import { modelConfigOf } from './model-config.ts';
import { type OpenedRun, openRun } from './open-run.ts';
import { openParent } from './parent.ts';
import { openRuns } from './plugins.ts';
import { storageOf } from './storage.ts';
import { tokenizerOf } from './vocabulary.ts';
import { assembleModel, type StartWeights } from './weights.ts';

/** Figures of a model, and the answers behind them in the order of the questions. */
export interface Scored {
  metrics: Metrics;
  answers: readonly Answer[];
}

export interface EvaluateModelRequest {
  /** Stays the caller's, and as it is. */
  model: MiniGpt;
  evaluation: Evaluation;
  /** As `createFeatureCache` takes it. */
  see?: Seeing | undefined;
  /** Also asks every question of another scene's image. */
  control?: boolean | undefined;
  onProgress?: ((done: number, all: number) => void) | undefined;
}

/**
 * Questions a model. Equal models give equal answers; no tensor stays behind, so training may go on as if nothing had been asked.
 * @returns its figures and, where asked for and possible, those of the control
 */
export async function evaluateModel(request: EvaluateModelRequest): Promise<Scored & { shuffled?: Scored }> {
  const { model, evaluation, see, control = false, onProgress } = request;
  const { settings, tokenizer, transform } = evaluation;
  const { batch, maxNewTokens, seed } = settings;
  const features = createFeatureCache({ model, transform, atOnce: batch, see });
  const others = control ? withOtherImages(evaluation.samples) : undefined;
  const all = evaluation.samples.length + (others?.length ?? 0);
  let before = 0;
  const ask = async (samples: Evaluation['samples']): Promise<Scored> => {
    const progress = (done: number) => onProgress?.(before + done, all);
    const answers = await answerSamples({
      model,
      tokenizer,
      samples,
      features,
      batch,
      maxNewTokens,
      onProgress: progress,
    });
    before += samples.length;
    return { metrics: summarise(answers, { seed }), answers };
  };
  try {
    const right = await ask(evaluation.samples);
    return others === undefined ? right : { ...right, shuffled: await ask(others) };
  } finally {
    features.dispose();
  }
}

export interface EvaluateRunRequest extends EvaluateSettings {
  registry: Registry;
  logger: Logger;
}

/**
 * Evaluates a checkpoint of a run and writes predictions and metrics.
 * @throws TristageError E_NO_CHECKPOINT, E_EVAL_SOURCES, E_OUT_FOREIGN, and those of reading data and weights
 */
export async function evaluateRun(request: EvaluateRunRequest): Promise<RunEvaluation> {
  const { logger, registry, controls = true, samples, split, file, set = [] } = request;
  const run = await openRun(request.checkpoint, { registry, set: file === undefined ? set : [], plugins: true });
  const [other] = file === undefined ? [] : await openRuns([file], { registry, set });
  const folder = checkEvalFolder(run, request.out);
  const config = other === undefined ? run.config : { ...run.config, eval: other.config.eval };
  const tokenizer = await tokenizerOf(run.checkpoint, run.config);
  const evaluation = await openEvaluation({ config, registry: sourcesOf(run, other), tokenizer, samples, split });
  for (const note of evaluation.notes) logger.warn(note);
  const engine = await engineOf(request, run);
  const wanted = new Set(controls === true ? CONTROLS : controls === false ? [] : controls);
  const control = wanted.has('shuffled');
  const { shuffled, ...own } = await evaluateWeights({ run, evaluation, logger, engine, control });
  if (control && shuffled === undefined) logger.warn('one image only: no control with another scene’s image');
  const start = wanted.has('untrained') ? await evaluateStart({ run, evaluation, logger, engine }) : undefined;
  const seed = evaluation.settings.seed;
  const scored = { model: own, ...(shuffled && { shuffled }), ...(start && { untrained: start }) };
  const chance = wanted.has('chance') ? summariseChance(own.answers, { seed }) : undefined;
  const facts = await evalFacts({ run, evaluation, engine });
  const report = reportOf({ facts, scored, chance });
  await writeEvaluation({ folder, facts, scored, report });
  return { folder, report };
}

/** What the run may ask about: sources of the other file first, then its own. */
function sourcesOf(run: OpenedRun, other: ResolvedRun | undefined): Registry {
  const { sources, stages } = run.registry;
  return other === undefined ? run.registry : { sources: [...other.registry.sources, ...sources], stages };
}

async function engineOf(request: EvaluateRunRequest, { config }: OpenedRun): Promise<EngineInfo> {
  const { backend, device, threads, precision } = config.engine;
  const engine = await openEngine({
    backend: request.engine ?? backend,
    device: request.device ?? device,
    threads,
    precision,
  });
  announceEngine(request.logger, engine);
  return engine;
}

interface Questioning {
  run: OpenedRun;
  evaluation: Evaluation;
  logger: Logger;
  /** The one that is open. */
  engine: EngineInfo;
}

/** The weights of the checkpoint. */
async function evaluateWeights({ control, ...asking }: Questioning & { control: boolean }) {
  const { run, logger } = asking;
  const model = await modelOf(run, { checkpoint: run.checkpoint.modelFile });
  return questioned(model, { ...asking, control, onProgress: progressOf(logger, `step ${run.checkpoint.step}`) });
}

/** Asks a model and frees it; its images come from the cache of features that the run has. */
async function questioned(
  model: MiniGpt,
  { run, engine, logger, ...asking }: Questioning & Pick<EvaluateModelRequest, 'control' | 'onProgress'>,
) {
  const features = await openRunFeatures({ config: run.config, model, engine, logger, existing: true });
  try {
    const scored = await evaluateModel({ ...asking, model, see: features?.see });
    await features?.close();
    if (features !== undefined) logger.info(`features: ${describeCounts(features.counts())}`);
    return scored;
  } finally {
    disposeMiniGpt(model);
  }
}

/** The weights that the run began with; nothing where the run that it started from is gone. */
async function evaluateStart(asking: Questioning): Promise<Scored | undefined> {
  const { run, logger } = asking;
  const from = run.config.init?.from;
  let init: StartWeights | undefined;
  try {
    init = from === undefined ? undefined : (await openParent(from, { registry: run.registry })).weights;
  } catch (error) {
    logger.warn(`the start of this run is not asked: ${from} cannot be read (${(error as Error).message})`);
    return undefined;
  }
  return questioned(await modelOf(run, { init }), { ...asking, onProgress: progressOf(logger, 'before step 1') });
}

async function modelOf(
  { config, registry }: OpenedRun,
  from: { checkpoint?: string; init?: StartWeights | undefined },
) {
  const { model } = await assembleModel({
    config: modelConfigOf(config),
    weights: config.model.weights,
    trainable: () => false,
    storage: storageOf(config, registry),
    seed: config.train.seed,
    ...from,
  });
  return model;
}

/** Says at most ten times how far it is. */
function progressOf(logger: Logger, what: string): (done: number, all: number) => void {
  let said = 0;
  return (done, all) => {
    const tenths = Math.floor((10 * done) / all);
    if (tenths === said) return;
    said = tenths < 10 ? tenths : 0;
    logger.info(`${what}: ${done} of ${all} questions answered`);
  };
}
