/** The images of a run that trains a vision tower: training batches a few steps ahead, and held-out batches for measuring. */

import type { RunConfig } from '../config/schema.ts';
import { openPatchThread, type PatchFacts, type PatchImages, type PatchThread } from '../data/patch-scenes.ts';
import { gridSide } from '../model/config.ts';
import type { PatchBatch } from '../train/vision-step.ts';
import { type Registry, sourceOf } from './config.ts';

/** Steps that are drawn ahead of the one that trains. */
const AHEAD = 3;
/** Steps whose images are in memory: that which trains, and those ahead of it. */
export const STEPS_AT_HAND = 1 + AHEAD;
/** Held-out images of one pass through the tower. */
export const HELD_OUT_BATCH = 32;

export interface VisionData extends PatchFacts {
  source: string;
  /** The images of a step, a pure function of its index; consecutive steps are ready soonest. */
  batch(step: number): Promise<PatchBatch>;
  /** The first so many held-out images. */
  heldOut(images: number): Promise<PatchBatch[]>;
  close(): Promise<void>;
}

/**
 * Opens the source of a checked run.
 * @throws TristageError E_SOURCE_OPTIONS for options that do not fit the model
 */
export async function openVisionData(config: RunConfig, registry: Registry): Promise<VisionData> {
  const line = config.data.mixture.sources[0]!;
  const { vision } = config.model;
  const thread = await openPatchThread({
    module: sourceOf(line.source, registry).patches ?? '',
    options: line,
    imageSize: vision.imageSize,
    grid: gridSide(vision),
  });
  const { globalBatch } = config.train;
  const { kinds, length, fingerprint, close } = thread;
  const next = ahead((step) => thread.draw('train', step * globalBatch, globalBatch));
  return {
    source: line.source,
    kinds,
    length,
    fingerprint,
    close,
    batch: next,
    heldOut: (images) => drawAll(thread, images),
  };
}

/** Starts the work of coming steps when a step is asked for. */
function ahead<T>(make: (step: number) => Promise<T>): (step: number) => Promise<T> {
  const started = new Map<number, Promise<T>>();
  const start = (step: number): Promise<T> => {
    const known = started.get(step);
    if (known !== undefined) return known;
    const made = make(step);
    // Reported when the step is asked for.
    made.catch(() => undefined);
    started.set(step, made);
    return made;
  };
  return (step) => {
    for (const other of [...started.keys()]) if (other < step || other > step + AHEAD) started.delete(other);
    for (let next = step; next <= step + AHEAD; next++) void start(next);
    return start(step);
  };
}

async function drawAll(thread: PatchThread, images: number): Promise<PatchImages[]> {
  const batches: PatchImages[] = [];
  for (let from = 0; from < images; from += HELD_OUT_BATCH) {
    batches.push(await thread.draw('heldout', from, Math.min(HELD_OUT_BATCH, images - from)));
  }
  return batches;
}
