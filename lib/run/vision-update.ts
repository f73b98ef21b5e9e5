/** What a run of the vision tower does in each step: the update, and from time to time a look at held-out images. */

import type { RunConfig } from '../config/schema.ts';
import type { TristageError } from '../core/errors.ts';
import { gridSide } from '../model/config.ts';
import { trainableOf } from '../model/store.ts';
import type { AdamW } from '../train/adamw.ts';
import type { UpdateReport } from '../train/loop.ts';
import { learningRate } from '../train/schedule.ts';
import { evaluatePatches, type PatchAccuracy } from '../train/vision-accuracy.ts';
import type { PatchModel } from '../train/vision-model.ts';
import { cutPatches, type PatchBatch, patchStep } from '../train/vision-step.ts';
import { fitting, noRoom, type SmallerPasses } from './fitting.ts';
import { scheduleOf } from './update.ts';

export interface VisionUpdaterRequest {
  config: RunConfig;
  model: PatchModel;
  optimizer: AdamW;
  boxWeight: number;
  /** Images of a pass. */
  microBatch: number;
  /** Called when a step did not fit the memory and will be done again from its start, as all later ones, in smaller passes. */
  onOutOfMemory: (change: SmallerPasses) => Promise<void>;
  /** The error of a loss or gradient that is not finite. The weights are untouched. */
  faultOf: (step: number, fault: 'loss' | 'gradient') => TristageError;
}

/** The function that does update `index` on its images and reports it. */
export function visionUpdater({
  config,
  model,
  optimizer,
  boxWeight,
  onOutOfMemory,
  faultOf,
  ...request
}: VisionUpdaterRequest): (index: number, batch: PatchBatch) => Promise<UpdateReport> {
  let { microBatch } = request;
  const trainable = trainableOf(model.store);
  const schedule = scheduleOf(config);
  const { clip: clipNorm, globalBatch } = config.train;
  return async (index, batch) => {
    const lr = learningRate(schedule, index);
    const result = await fitting(
      async () => {
        const microBatches = cut(model, batch, microBatch);
        return await patchStep({ model, trainable, optimizer, microBatches, lr, boxWeight, clipNorm });
      },
      async (error) => {
        const from = Math.min(microBatch, globalBatch);
        if (from === 1) throw noPlace(error, `step ${index + 1}`);
        microBatch = Math.floor(from / 2);
        await onOutOfMemory({ index, from, to: microBatch, why: error.found ?? error.message });
      },
    );
    if (result.fault !== undefined) throw faultOf(index + 1, result.fault);
    const { loss, gradNorm, patches, covered, classLoss, boxLoss } = result;
    const tasks = { class: { loss: classLoss, tokens: patches }, box: { loss: boxLoss, tokens: covered } };
    return { loss, lr, gradNorm, tokens: patches, tasks };
  };
}

/**
 * The function that measures a tower on held-out images, after so many steps.
 * @param request `onOutOfMemory` is called when so many images at once did not fit, from then on fewer pass
 */
export function heldOutMeasure(request: {
  model: PatchModel;
  /** All held-out images, as they pass. */
  batches: readonly PatchBatch[];
  onOutOfMemory: (change: { step: number; to: number }) => void;
}): (step: number) => Promise<PatchAccuracy & { images: number }> {
  const { model, batches, onOutOfMemory } = request;
  const perImage = gridSide(model.config) ** 2;
  const images = (of: readonly PatchBatch[]) => of.map(({ classes }) => classes.length / perImage);
  let passes = batches;
  return async (step) => {
    const measured = await fitting(
      () => evaluatePatches(model, passes),
      async (error) => {
        const most = Math.max(...images(passes));
        if (most === 1) throw noPlace(error, `measuring after step ${step}`);
        const to = Math.floor(most / 2);
        passes = passes.flatMap((batch) => cut(model, batch, to));
        onOutOfMemory({ step, to });
      },
    );
    return { images: images(batches).reduce((sum, count) => sum + count, 0), ...measured };
  };
}

function cut({ config }: PatchModel, batch: PatchBatch, images: number): PatchBatch[] {
  return cutPatches(batch, { images, patches: gridSide(config) ** 2 });
}

function noPlace(error: TristageError, where: string): TristageError {
  const expected = 'room for one image at a time; tristage plan says what it takes';
  return noRoom(error, { where, expected, fix: 'free memory, raise engine.memory, or make model.vision smaller' });
}
