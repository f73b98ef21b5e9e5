/** The memory of a run that trains the vision tower alone, and of what cards of common sizes hold. */

import { extname } from 'node:path';
import { fixedMicroBatch } from '../../config/micro-batch.ts';
import type { RunConfig } from '../../config/schema.ts';
import { patchesSchema } from '../../config/schema-patches.ts';
import { gridSide } from '../../model/config.ts';
import { FLOAT } from '../../model/memory.ts';
import { type TowerSettings, towerStepMemory } from '../../train/tower-memory.ts';
import { HELD_OUT_BATCH, STEPS_AT_HAND } from '../vision-data.ts';
import { type CommonMemory, onCards, plannedEngine, programAndEngine, residentBytes } from './memory.ts';

/** What a run takes that trains the tower alone. */
export interface TowerPlan extends CommonMemory {
  /** Of one image. */
  patches: number;
  /** Kinds of object that are reckoned with. */
  kinds: number;
}

/** A patch is of a kind that fits a byte (train/vision-step.ts). */
const MOST_KINDS = 255;
/** Bytes of the thread that draws images, and of what it has loaded: an allowance between two measured runs; read as TypeScript, it is more. */
const THREAD_BYTES = extname(import.meta.url) === '.ts' ? 100e6 : 60e6;
/** Bytes of the truth of a patch: its kind and four numbers. */
const TRUTH_BYTES = 17;

/** What a source may say of its kinds of object before it is opened: those that the file lists, else as many as there may be. */
function listedKinds({ data }: RunConfig): number {
  const listed = data.mixture.sources[0]?.['classes'];
  return Array.isArray(listed) ? listed.length : MOST_KINDS;
}

/**
 * Estimates a run of a stage with the objective `patches`.
 * @param request `kinds` of object, where the source was opened; `microBatch` where the file leaves it open
 */
export function planTowerMemory(request: {
  config: RunConfig;
  kinds?: number | undefined;
  microBatch?: number | undefined;
}): TowerPlan {
  const { config, kinds = listedKinds(request.config) } = request;
  const { globalBatch } = config.train;
  const { vision } = config.model;
  const engine = plannedEngine(config);
  const { heldOutImages } = patchesSchema.parse(config.train.patches ?? {});
  const measured = Math.min(HELD_OUT_BATCH, heldOutImages);
  const settings: TowerSettings = { vision, kinds, engine, measured };
  const microBatch = request.microBatch ?? fixedMicroBatch(config.train) ?? globalBatch;
  const tensors = towerStepMemory(settings, { images: microBatch, passes: Math.ceil(globalBatch / microBatch) });
  const patches = gridSide(vision) ** 2;
  const picture = 3 * vision.imageSize ** 2;
  const held = (STEPS_AT_HAND * globalBatch + heldOutImages) * (picture + TRUTH_BYTES * patches);
  // On their way to the engine pixels are integers for a moment.
  const integers = FLOAT * Math.max(microBatch, measured) * picture;
  const process = programAndEngine(engine.backend) + THREAD_BYTES + held + integers;
  const total = residentBytes(engine, { process, tensors: tensors.peak });
  // Weights that train stay float32, and this stage keeps what it computes.
  const cards = onCards([{ precision: 'float32', recompute: false }], (_, images) => {
    const onCard: TowerSettings = { ...settings, engine: { backend: 'torch', device: 'cuda', precision: 'float32' } };
    return towerStepMemory(onCard, { images, passes: 2 }).peak;
  });
  return { engine, microBatch, tensors, process, total, cards, patches, kinds };
}
