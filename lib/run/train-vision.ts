/** One run of a stage that trains the vision tower alone: the same folder, loop, events and checkpoints as any other run. */

import { join } from 'node:path';
import { CHECKPOINT_FILES, type Checkpoint, writeCheckpoint } from '../checkpoint/store.ts';
import { optimizerSources, tensorSources } from '../checkpoint/tensors.ts';
import { printConfig } from '../config/print.ts';
import type { RunConfig } from '../config/schema.ts';
import { type PatchSettings, patchesSchema } from '../config/schema-patches.ts';
import { writeFileAtomic } from '../core/atomic.ts';
import { collectGarbage } from '../core/collect.ts';
import { TristageError } from '../core/errors.ts';
import { type EngineInfo, openEngine } from '../engine/engine.ts';
import { disposeParams } from '../model/store.ts';
import type { AdamW } from '../train/adamw.ts';
import { runLoop, type UpdateReport } from '../train/loop.ts';
import { checkResume, parseState, trainState } from '../train/state.ts';
import type { PatchModel } from '../train/vision-model.ts';
import type { PatchBatch } from '../train/vision-step.ts';
import { announceEngine } from './announce-engine.ts';
import { runFacts } from './facts.ts';
import { identityOf } from './identity.ts';
import { chooseTowerMicroBatch, limitMemory, smallerPasses, unlimitMemory } from './micro-batch.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import { createRunFolder, RUN_FILES, type RunSummary, writeRunJson } from './run-folder.ts';
import { startingPoint } from './starting-point.ts';
import { summaryOf } from './summary.ts';
import type { TrainRequest } from './train.ts';
import { openVisionData, type VisionData } from './vision-data.ts';
import { type VisionFile, writeVisionFile } from './vision-file.ts';
import { describeVision, openVisionModel, visionPlan } from './vision-model.ts';
import { heldOutMeasure, visionUpdater } from './vision-update.ts';

/** Everything that is open while a run trains. */
interface Session {
  request: TrainRequest;
  config: RunConfig;
  settings: PatchSettings;
  engine: EngineInfo;
  data: VisionData;
  /** Measures the tower after so many steps. */
  look: ReturnType<typeof heldOutMeasure>;
  model: PatchModel;
  optimizer: AdamW;
  recorder: Recorder;
  /** What run.json says. */
  facts: ReturnType<typeof runFacts>;
  /** Updates already done. */
  from: number;
  /** Folder of the newest checkpoint. */
  saved: string | undefined;
}

/**
 * Trains one run, or goes on with it; at its end the tower lies in vision.safetensors and its accuracy in vision.json.
 * @returns what summary.json says
 * @throws TristageError of every kind; what was saved before stays usable
 */
export async function trainVision(request: TrainRequest): Promise<RunSummary> {
  const { run, registry } = request;
  const { checkpoint, finished } = await startingPoint(request);
  if (finished !== undefined) return finished;
  const data = await openVisionData(run.config, registry);
  try {
    const session = await openSession(request, { checkpoint, data });
    try {
      return await runSession(session);
    } finally {
      session.recorder.close();
      await unlimitMemory(session.config);
      session.optimizer.dispose();
      disposeParams(session.model.store);
    }
  } finally {
    await data.close();
  }
}

async function openSession(
  request: TrainRequest,
  { checkpoint, data }: { checkpoint: Checkpoint | undefined; data: VisionData },
): Promise<Session> {
  const { run, folder, logger } = request;
  const { config } = run;
  if (checkpoint !== undefined) checkState(request, checkpoint, data);
  const { backend, device, threads } = config.engine;
  const engine = await openEngine({ backend, device, threads });
  announceEngine(logger, engine);
  const microBatch = await chooseTowerMicroBatch({ config, kinds: data.kinds.length, engine, folder, logger });
  const plan = visionPlan(config, data, microBatch.examples);
  for (const line of describeVision(plan, data)) logger.info(line);
  const settings = patchesSchema.parse(config.train.patches ?? {});
  const { model, optimizer, external } = await openVisionModel({ config, settings, data, checkpoint });
  collectGarbage();
  await limitMemory(config, engine);
  await createRunFolder(folder);
  await writeFileAtomic(join(folder, RUN_FILES.config), printConfig(config));
  const facts = runFacts({ config, engine, plan, external, microBatch });
  await writeRunJson(folder, RUN_FILES.run, facts);
  const from = checkpoint?.step ?? 0;
  const recorder = await openRecorder(request, { config, engine, from });
  if (from > 0) logger.info(`going on after step ${from}`);
  const look = heldOutMeasure({
    model,
    batches: await data.heldOut(settings.heldOutImages),
    onOutOfMemory: ({ step, to }) =>
      logger.warn(`held-out images after step ${step} do not fit the memory: again, ${to} at once`),
  });
  const saved = checkpoint?.path;
  return { request, config, settings, engine, data, look, model, optimizer, recorder, facts, from, saved };
}

function checkState({ run, folder }: TrainRequest, checkpoint: Checkpoint, data: VisionData): void {
  const state = parseState(checkpoint.state, `${checkpoint.path}/state.json`);
  const { steps } = run.config.train;
  checkResume({ state, identity: identityOf(run.config), data: data.fingerprint, steps, where: folder });
}

async function runSession(session: Session): Promise<RunSummary> {
  const { request, config, data, recorder, engine, from } = session;
  const { steps, checkpoint } = config.train;
  const result = await runLoop({
    from,
    to: steps,
    data: (index) => data.batch(index),
    update: updater(session),
    onStep: (record) => recorder.step(record),
    save: (step) => save(session, step),
    saveEvery: checkpoint.everySteps,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  if (result.interrupted) recorder.write({ event: 'interrupted', step: result.step });
  else await finish(session, result.step);
  const seconds = recorder.tracker.seconds();
  if (!result.interrupted) recorder.write({ event: 'end', step: result.step, seconds });
  const summary = summaryOf({
    config,
    engine,
    tracker: recorder.tracker,
    step: result.step,
    finished: !result.interrupted,
  });
  await writeRunJson(request.folder, RUN_FILES.summary, summary);
  return summary;
}

/** The update of the loop; from time to time the tower is measured after it. */
function updater(session: Session): (index: number, batch: PatchBatch) => Promise<UpdateReport> {
  const { request, config, settings, model, optimizer, recorder, facts } = session;
  const { boxWeight, heldOutEvery } = settings;
  const { folder, logger } = request;
  const update = visionUpdater({
    ...{ config, model, optimizer, boxWeight, microBatch: facts.microBatch.examples },
    onOutOfMemory: smallerPasses({ folder, facts, recorder, logger }),
    faultOf: (step, fault) => notFinite(session, step, fault),
  });
  return async (index, batch) => {
    const report = await update(index, batch);
    const done = index + 1;
    if (done % heldOutEvery === 0 && done < config.train.steps) await measure(session, done);
    return report;
  };
}

/** Going on with `--resume` would come to the same step, and refuses another rate; so the tower goes into another run. */
function notFinite({ saved, request }: Session, step: number, fault: 'loss' | 'gradient'): TristageError {
  const again = 'start another run with a lower train.optimizer.lr, a train.clip or a longer warm-up';
  const tower = saved && join(saved, CHECKPOINT_FILES.model);
  return new TristageError({
    kind: 'numeric',
    code: 'E_NOT_FINITE',
    message: `the ${fault} of a step is not finite`,
    where: `step ${step} of ${request.folder}`,
    found: 'NaN or infinity',
    expected: 'a finite number in every step: this stage leaves none out',
    fix: tower === undefined ? again : `${again}; --set model.weights.vision=${tower} begins it with what was learned`,
  });
}

async function measure({ look, recorder, request }: Session, step: number): Promise<VisionFile['heldOut']> {
  const measured = await look(step);
  recorder.write({ event: 'patches', step, ...measured });
  const { foreground: right, all: rightOfAll, boxOverlap } = measured;
  recorder.scalars(step, { 'heldout/foreground': right, 'heldout/all': rightOfAll, 'heldout/box_overlap': boxOverlap });
  const [objects, patches, overlap] = [right, rightOfAll, boxOverlap].map((share) => share.toFixed(3));
  request.logger.info(
    `step ${step}: on ${measured.images} held-out images ${objects} of the objects' patches right, ${patches} of all; box overlap ${overlap}`,
  );
  return measured;
}

async function finish(session: Session, step: number): Promise<void> {
  const { request, model, data } = session;
  const heldOut = await measure(session, step);
  const file = await writeVisionFile({ folder: request.folder, model, step, kinds: data.kinds, heldOut });
  request.logger.info(`${join(request.folder, file.file)}: ${file.bytes} bytes, SHA-256 ${file.sha256}`);
}

/** Writes a checkpoint: tower, head, optimizer, and where the run stands. */
async function save(session: Session, step: number): Promise<void> {
  const { request, config, model, optimizer, data, recorder } = session;
  const start = performance.now();
  const { globalBatch, seed, checkpoint } = config.train;
  const path = await writeCheckpoint({
    runDir: request.folder,
    step,
    model: tensorSources(model.store),
    optimizer: optimizerSources(optimizer.state),
    state: trainState({ step, globalBatch, seed, identity: identityOf(config), data: data.fingerprint }),
    keep: checkpoint.keep,
  });
  session.saved = path;
  const seconds = (performance.now() - start) / 1000;
  recorder.write({ event: 'checkpoint', step, path: `checkpoints/step-${step}`, seconds });
  request.logger.info(`saved ${path}`);
}
