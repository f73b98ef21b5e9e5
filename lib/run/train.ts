/** One training run from its file to its last checkpoint: opens everything, then lets the loop run. */

import { join } from 'node:path';
import { type Checkpoint, writeCheckpoint } from '../checkpoint/store.ts';
import { optimizerSources, readOptimizer, tensorSources } from '../checkpoint/tensors.ts';
import { printConfig } from '../config/print.ts';
import type { RunConfig } from '../config/schema.ts';
import { writeFileAtomic } from '../core/atomic.ts';
import { collectGarbage } from '../core/collect.ts';
import type { Logger } from '../core/log.ts';
import { openLedger } from '../data/ledger.ts';
import type { Loader } from '../data/loader.ts';
import { type EngineInfo, openEngine } from '../engine/engine.ts';
import { disposeMiniGpt } from '../model/minigpt.ts';
import { trainableOf } from '../model/store.ts';
import { readEvents } from '../report/events.ts';
import { type AdamW, createAdamW } from '../train/adamw.ts';
import { checkFrozen, printFrozen } from '../train/frozen.ts';
import { runLoop, type StepRecord } from '../train/loop.ts';
import { describePlan, type RunPlan } from '../train/plan.ts';
import { type Ancestor, checkResume, parseState, trainState } from '../train/state.ts';
import { trainableIn } from '../train/trainable.ts';
import { announceEngine } from './announce-engine.ts';
import { refuseWeights } from './check-weights.ts';
import { type Registry, type ResolvedRun, stageOf } from './config.ts';
import { leftOutOf, type OpenData, openData, openLoader, sourceNotes } from './data.ts';
import { dumpedCheckpoints } from './dump.ts';
import { type Examiner, openExaminer } from './examiner.ts';
import { runFacts } from './facts.ts';
import { openRunFeatures, type RunFeatures, tellFeatures } from './feature-cache.ts';
import { fitProjector, fitsProjector } from './fit-projector.ts';
import { openGuard } from './guard.ts';
import { identityOf } from './identity.ts';
import { strangeWeights } from './known-weights.ts';
import { badSamples } from './ledger-summary.ts';
import { lineageOf } from './lineage.ts';
import { tellLoads } from './loads.ts';
import { chooseMicroBatch, limitMemory, smallerPasses, unlimitMemory } from './micro-batch.ts';
import { modelConfigOf } from './model-config.ts';
import { checkedParent, type Parent } from './parent.ts';
import { planOf } from './plan.ts';
import type { Display } from './progress.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import { createRunFolder, RUN_FILES, type RunSummary, writeRunJson } from './run-folder.ts';
import { describeShares, mixtureShares } from './shares.ts';
import { goingOn, startingPoint } from './starting-point.ts';
import { storageOf } from './storage.ts';
import { summaryOf } from './summary.ts';
import { checkTokenizer } from './tokenizer.ts';
import { updater } from './update.ts';
import { inheritedPieces, knownTokenizer, vocabularyFacts } from './vocabulary.ts';
import { type Assembled, assembleModel } from './weights.ts';

export interface TrainRequest {
  run: ResolvedRun;
  /** Run folder. */
  folder: string;
  resume: boolean;
  registry: Registry;
  logger: Logger;
  /** Asks the run to save and stop after the step under way. */
  signal?: AbortSignal | undefined;
  /** A terminal for a progress bar; absent: lines through the logger. */
  display?: Display | undefined;
  /** Called after each step, for whoever runs a stage as part of something larger. */
  onStep?: ((record: StepRecord) => void) | undefined;
}

/** Everything that is open while a run trains. */
interface Session {
  request: TrainRequest;
  config: RunConfig;
  engine: EngineInfo;
  data: OpenData;
  loader: Loader;
  assembled: Assembled;
  optimizer: AdamW;
  recorder: Recorder;
  examiner: Examiner;
  /** Where visual features are cached. */
  features: RunFeatures | undefined;
  plan: RunPlan;
  /** What run.json says. */
  facts: ReturnType<typeof runFacts>;
  /** The runs behind this one, the nearest first. */
  lineage: readonly Ancestor[];
  /** Updates already done. */
  from: number;
}

/**
 * Trains one run, or goes on with it.
 * @returns what summary.json says
 * @throws TristageError of every kind; what was saved before stays usable
 */
export async function trainRun(request: TrainRequest): Promise<RunSummary> {
  const { checkpoint, finished } = await startingPoint(request);
  if (finished !== undefined) return finished;
  const session = await openSession(request, checkpoint);
  try {
    return await runSession(session);
  } finally {
    session.recorder.close();
    await unlimitMemory(session.config);
    await session.loader.close();
    await session.features?.close();
    session.optimizer.dispose();
    disposeMiniGpt(session.assembled.model);
  }
}

async function openSession(given: TrainRequest, checkpoint: Checkpoint | undefined): Promise<Session> {
  const { run, folder, registry, logger } = given;
  const parent = checkpoint === undefined ? await checkedParent(run.config, registry) : undefined;
  await refuseWeights(run, checkpoint === undefined ? parent : goingOn(checkpoint));
  const data = await openData(run.config, registry, inheritedPieces(run.config, { checkpoint, parent }));
  if (parent !== undefined) checkTokenizer(data.tokenizerHash, { sha256: parent.tokenizer, where: parent.path });
  const { config } = data;
  const request: TrainRequest = { ...given, run: { ...run, config } };
  if (checkpoint !== undefined) checkState(request, checkpoint, data);
  for (const note of sourceNotes(data)) logger.warn(note);
  if (data.pieces !== undefined) logger.info(`vocabulary: ${data.pieces.length} pieces, bytes included`);
  const { schedule, steps } = config.train;
  if (schedule.warmupSteps >= steps)
    logger.warn(`the warm-up of ${schedule.warmupSteps} steps is not over within ${steps}`);
  const { backend, device, threads, precision } = config.engine;
  const engine = await openEngine({ backend, device, threads, precision });
  announceEngine(logger, engine);
  const microBatch = await chooseMicroBatch({ config, data, registry, engine, folder, logger });
  const plan = planOf(config, data, registry, microBatch.examples);
  for (const line of describePlan(plan)) logger.info(line);
  const { assembled, optimizer } = await openModel(request, { checkpoint, parent });
  collectGarbage();
  await limitMemory(config, engine);
  await createRunFolder(folder);
  await tellLoads(assembled.loads, { folder, logger });
  await writeFileAtomic(join(folder, RUN_FILES.config), printConfig(config));
  if (data.pieces !== undefined)
    await writeRunJson(folder, RUN_FILES.vocabulary, vocabularyFacts(data.tokenizer, data.pieces));
  const facts = runFacts({ config, engine, plan, external: assembled.external, microBatch });
  await writeRunJson(folder, RUN_FILES.run, facts);
  const from = checkpoint?.step ?? 0;
  const recorder = await openRecorder(request, { config, engine, from });
  if (from > 0) logger.info(`going on after step ${from}`);
  const ledger = openLedger(join(folder, RUN_FILES.ledger));
  if (from === 0) await ledger.append(leftOutOf(data));
  const features = await openRunFeatures({ config, model: assembled.model, engine, logger });
  if (fitsProjector(config, assembled.random))
    await fitProjector({ config, model: assembled.model, data, features, logger });
  const loader = openLoader({
    features: features?.store,
    config,
    model: assembled.model.config,
    data,
    onBadSamples: (entries) => ledger.append(entries),
    done: { steps: from, bad: (await badSamples(folder)).filter(({ step }) => step < from) },
  });
  const examiner = await openExaminer({
    ...{ config, registry, folder, from, recorder, logger },
    tokenizer: data.tokenizer,
    model: assembled.model,
    features,
  });
  const lineage = parent?.lineage ?? lineageOf(checkpoint);
  const opened = { request, config, engine, data, loader, assembled, optimizer };
  return { ...opened, recorder, examiner, features, plan, facts, lineage, from };
}

function checkState({ run, folder }: TrainRequest, checkpoint: Checkpoint, data: OpenData): void {
  const state = parseState(checkpoint.state, `${checkpoint.path}/state.json`);
  checkTokenizer(data.tokenizerHash, knownTokenizer(checkpoint));
  checkResume({
    state,
    identity: identityOf(run.config),
    data: data.fingerprint,
    steps: run.config.train.steps,
    where: folder,
  });
}

async function openModel(
  { run: { config }, registry, folder }: TrainRequest,
  { checkpoint, parent }: { checkpoint: Checkpoint | undefined; parent: Parent | undefined },
): Promise<{ assembled: Assembled; optimizer: AdamW }> {
  const { optimizer: settings, seed, trainable } = config.train;
  const assembled = await assembleModel({
    config: modelConfigOf(config),
    weights: config.model.weights,
    checkpoint: checkpoint?.modelFile,
    init: parent?.weights,
    trainable: trainableIn(trainable ?? stageOf(config, registry).trains),
    storage: storageOf(config, registry),
    seed,
  });
  const stranger = checkpoint && (await strangeWeights(folder, assembled.external));
  if (stranger !== undefined) {
    disposeMiniGpt(assembled.model);
    throw stranger;
  }
  const optimizer = createAdamW(trainableOf(assembled.model.store), {
    betas: settings.betas,
    eps: settings.eps,
    weightDecay: settings.weightDecay,
  });
  if (checkpoint !== undefined) optimizer.restore(await readOptimizer(checkpoint.optimizerFile));
  return { assembled, optimizer };
}

async function runSession(session: Session): Promise<RunSummary> {
  const { request, config, loader, recorder, examiner, features, engine, from } = session;
  const { model } = session.assembled;
  const { steps, checkpoint } = config.train;
  const frozen = await printFrozen(model.store);
  const weights = { checkpoint: from > 0 ? from : null, updatesSince: 0 };
  const guard = openGuard({
    folder: request.folder,
    config,
    skipped: recorder.tracker.skipped(),
    weights: () => weights,
    warn: (message) => request.logger.warn(message),
  });
  const update = updater({
    ...{ config, model, optimizer: session.optimizer, features, onFault: guard },
    microBatch: session.facts.microBatch.examples,
    onOutOfMemory: smallerPasses({ folder: request.folder, facts: session.facts, recorder, logger: request.logger }),
  });
  const result = await runLoop({
    from,
    to: steps,
    data: (index) => loader.batch(index),
    update: async (index, batch) => {
      const report = await update(index, batch);
      loader.recycle(batch);
      return report;
    },
    onStep: (record) => {
      if (record.skipped === undefined) weights.updatesSince++;
      recorder.step(record);
    },
    evaluate: (step) => examiner.examine(step),
    save: async (step) => {
      if (step === steps) await checkFrozen(model.store, frozen);
      await save(session, step);
      Object.assign(weights, { checkpoint: step, updatesSince: 0 });
    },
    saveEvery: checkpoint.everySteps,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  const seconds = recorder.tracker.seconds();
  const cached = await tellFeatures(features, { tracker: recorder.tracker, logger: request.logger });
  if (result.interrupted) recorder.write({ event: 'interrupted', step: result.step, features: cached });
  else recorder.write({ event: 'end', step: result.step, seconds, features: cached });
  const summary = summaryOf({
    config,
    engine,
    tracker: recorder.tracker,
    step: result.step,
    finished: !result.interrupted,
  });
  const mixture = mixtureShares(session.plan.sources, readEvents(join(request.folder, RUN_FILES.events)));
  for (const share of describeShares(mixture)) request.logger.info(share);
  const best = examiner.best();
  const told = { ...summary, ...(best && { best }), mixture };
  await writeRunJson(request.folder, RUN_FILES.summary, told);
  return told;
}

/** Writes a checkpoint: every weight that no published file holds, the optimizer, and where the run stands. */
async function save(session: Session, step: number): Promise<void> {
  const { request, config, assembled, optimizer, data, recorder, examiner } = session;
  const start = performance.now();
  const { model, stored } = assembled;
  const weights = new Map([...model.store].filter(([name]) => stored.has(name)));
  const { globalBatch, seed, checkpoint } = config.train;
  const protect = await dumpedCheckpoints(request.folder);
  protect.add(examiner.best()?.step ?? step);
  const path = await writeCheckpoint({
    runDir: request.folder,
    step,
    model: tensorSources(weights),
    optimizer: optimizerSources(optimizer.state),
    state: trainState({
      step,
      globalBatch,
      seed,
      identity: identityOf(config),
      data: data.fingerprint,
      vocabulary: data.pieces,
      tokenizer: data.tokenizerHash,
      lineage: session.lineage,
    }),
    keep: checkpoint.keep,
    protect,
  });
  recorder.write({
    event: 'checkpoint',
    step,
    path: `checkpoints/step-${step}`,
    seconds: (performance.now() - start) / 1000,
  });
  request.logger.info(`saved ${path}`);
}
