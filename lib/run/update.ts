/** The update of one step: a batch of the loader, cut into micro-batches, through the trainer's step. */

import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { type LoadedBatch, microBatches } from '../data/loaded-batch.ts';
import type { MiniGpt } from '../model/minigpt.ts';
import { trainableOf } from '../model/store.ts';
import type { AdamW } from '../train/adamw.ts';
import type { SkippedUpdate, UpdateReport } from '../train/loop.ts';
import { learningRate, type Schedule } from '../train/schedule.ts';
import { type StepOptions, type StepResult, trainStep } from '../train/step.ts';
import { type RunFeatures, type SeenPart, withSeen } from './feature-cache.ts';
import { fitting, noRoom, type SmallerPasses } from './fitting.ts';
import { drawnBy } from './shares.ts';

export interface UpdaterRequest {
  config: RunConfig;
  model: MiniGpt;
  optimizer: AdamW;
  /** Where visual features are cached. */
  features?: RunFeatures | undefined;
  /** Examples of a pass. */
  microBatch: number;
  /** Called when a step did not fit the memory and will be done again from its start, as all later ones, in smaller passes. */
  onOutOfMemory: (change: SmallerPasses) => Promise<void>;
  /** Called when a loss or gradient is not finite; throws where the run is to stop. The weights are untouched. */
  onFault: (fault: Fault) => Promise<SkippedUpdate>;
}

/** An update that cannot be done. */
export interface Fault {
  /** Index of the update. */
  index: number;
  fault: 'loss' | 'gradient';
  /** The batch as it went through the model. */
  parts: readonly SeenPart[];
}

/** The function that the loop calls: does update `index` on its batch and reports it. */
export function updater({
  config,
  model,
  optimizer,
  features,
  onFault,
  onOutOfMemory,
  ...request
}: UpdaterRequest): (index: number, batch: LoadedBatch) => Promise<UpdateReport> {
  const { clip, recompute, seed } = config.train;
  let { microBatch } = request;
  const trainable = trainableOf(model.store);
  const schedule = scheduleOf(config);
  const rate = model.config.lora?.dropout ?? 0;
  const options: StepOptions = {
    clipNorm: clip,
    recompute,
    weighting: config.train.loss.weighting,
    dropout: rate > 0 ? { rate, seed } : undefined,
  };
  return async (index, batch) => {
    const lr = learningRate(schedule, index);
    const seen = await features?.complete(batch.keyed ?? []);
    const partsOf = (size: number): readonly SeenPart[] => {
      const cut = microBatches(batch, size);
      return seen === undefined ? cut : withSeen(cut, seen);
    };
    const { parts, result } = await fitting(
      async () => {
        const own = partsOf(microBatch);
        return {
          parts: own,
          result: await trainStep({ model, trainable, optimizer, microBatches: own, step: index, lr, options }),
        };
      },
      async (error) => {
        const to = smaller(batch, microBatch);
        if (to === undefined) throw noRoom(error, { where: `step ${index + 1}`, ...NO_ROOM });
        await onOutOfMemory({ index, from: microBatch, to, why: error.found ?? error.message });
        microBatch = to;
      },
    );
    const { fault, loss, gradNorm, tokens } = result;
    if (fault === 'no-tokens') throw noTokensError(index + 1);
    if (fault !== undefined) {
      const skipped = await onFault({ index, fault, parts });
      return { loss, lr, gradNorm, tokens, tasks: {}, skipped, features: features?.counts() };
    }
    return {
      loss,
      lr,
      gradNorm,
      tokens,
      tasks: lossByTask(result, batch),
      drawn: drawnBy(batch.examples, result.rows),
      features: features?.counts(),
    };
  };
}

const NO_ROOM = {
  expected: 'room for one row at a time; tristage plan says what it takes',
  fix: 'set train.recompute: true, shorten rows by data.maxTokens or data.packing.maxTokens, or set engine.precision: bf16',
};

/** Half the micro-batch, or less where that cuts nothing, since packed rows stay whole; undefined where nothing is left to cut. */
function smaller(batch: LoadedBatch, microBatch: number): number | undefined {
  const passes = microBatches(batch, microBatch).length;
  for (let size = Math.floor(Math.min(microBatch, batch.examples.length) / 2); size >= 1; size = Math.floor(size / 2)) {
    if (microBatches(batch, size).length > passes) return size;
  }
  return undefined;
}

/** The learning rates of a run. */
export function scheduleOf({ train }: RunConfig): Schedule {
  const { optimizer, schedule, steps } = train;
  return { ...schedule, lr: optimizer.lr, steps };
}

/** Mean loss over the supervised tokens of each task's examples. */
function lossByTask({ rows }: StepResult, { examples }: LoadedBatch): UpdateReport['tasks'] {
  const sums = new Map<string, { loss: number; tokens: number }>();
  for (const [place, { loss, tokens }] of rows.entries()) {
    const task = examples[place]?.task ?? 'text';
    const sum = sums.get(task) ?? { loss: 0, tokens: 0 };
    sums.set(task, { loss: sum.loss + loss, tokens: sum.tokens + tokens });
  }
  return Object.fromEntries(
    [...sums].map(([task, { loss, tokens }]) => [task, { loss: tokens === 0 ? 0 : loss / tokens, tokens }]),
  );
}

function noTokensError(step: number): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_NO_TOKENS',
    message: 'a batch has nothing to learn from',
    where: `step ${step}`,
    found: 'no supervised token',
    expected: 'answers that are not cut off',
    fix: 'raise data.maxTokens',
  });
}
