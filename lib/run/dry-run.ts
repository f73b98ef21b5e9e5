/**
 * `tristage train --dry-run`: everything that can be known of runs before their first step. It needs the data, but no weights; of weights
 * that are there it reads the headers.
 */

import { existsSync } from 'node:fs';
import type { RunConfig } from '../config/schema.ts';
import type { Logger } from '../core/log.ts';
import { modelShapes, valuesIn } from '../model/shapes.ts';
import { describePlan, type RunPlan } from '../train/plan.ts';
import { trainableIn } from '../train/trainable.ts';
import { checkWeights, type NamedWeights } from './check-weights.ts';
import { type Registry, type ResolvedRun, stageOf } from './config.ts';
import { type OpenData, openData, openLoader, sourceNotes } from './data.ts';
import { type DataFaults, dataFaults } from './data-faults.ts';
import { modelConfigOf, weightsParts } from './model-config.ts';
import { openSourceLine } from './open-source.ts';
import { checkParent, openParent, type Parent } from './parent.ts';
import { planOf } from './plan.ts';
import { openRuns } from './plugins.ts';
import { openVisionData } from './vision-data.ts';
import { describeVision, visionPlan } from './vision-model.ts';
import { inheritedPieces } from './vocabulary.ts';

/** Bytes of a value. */
const FLOAT = 4;
/** Values in a checkpoint for each one that trains: itself and the optimizer's two moments. */
const MOMENTS = 3;

export interface DryRun {
  file: string;
  name: string;
  plan: RunPlan;
  /** Of the first step; absent where no texts are trained. */
  firstBatch?: { rows: number; tokens: number; images: number; examples: number };
  /** Bytes of one checkpoint, headers not counted. */
  checkpointBytes: number;
  /** Published files, and whether they are there; those that are fit the model by their headers. */
  weights: NamedWeights[];
  /** All this for people. */
  lines: string[];
}

export interface DryRunRequest {
  files: readonly string[];
  set: readonly string[];
  registry: Registry;
  logger: Logger;
}

/**
 * Checks run files, opens their data and works out their plans.
 * @throws TristageError for a file that is not valid; E_DATA, E_WEIGHTS, or the fault itself, for missing data and weights that do not
 *   fit, of all files together
 */
export async function dryRunAll({ files, set, registry, logger }: DryRunRequest): Promise<DryRun[]> {
  const runs = await openRuns(files, { registry, set });
  const faults = dataFaults();
  const results: DryRun[] = [];
  for (const run of runs) {
    const parent = await trainedParent(run);
    const { files: weights, faults: unfit } = await checkWeights(run, parent);
    faults.add(unfit);
    const result = await faults.attempt(() => dryRun(run, { parent, weights, logger }));
    await openQuestions(run, faults);
    if (result !== undefined) results.push(result);
  }
  faults.raise();
  return results;
}

type Weights = Pick<DryRun, 'weights'>;

async function dryRun(
  run: ResolvedRun,
  { parent, weights, logger }: Weights & { parent: Parent | undefined; logger: Logger },
): Promise<DryRun> {
  const { registry } = run;
  if (stageOf(run.config, registry).objective === 'patches') return dryVision(run, { weights });
  const data = await openData(run.config, registry, inheritedPieces(run.config, { parent }));
  for (const note of sourceNotes(data)) logger.warn(note);
  const { config } = data;
  const plan = planOf(config, data, registry);
  const firstBatch = await batchOf(config, data);
  const { rows, tokens, images, examples } = firstBatch;
  const shape = `first batch: ${rows} rows of ${tokens} tokens, ${examples} examples, ${images} images`;
  const bytes = checkpointBytes(config, registry);
  return told({ run, config, bytes, plan, weights, lines: [...describePlan(plan), shape], firstBatch });
}

async function dryVision(run: ResolvedRun, { weights }: Weights): Promise<DryRun> {
  const { plan, bytes, lines } = await visionDryPlan(run);
  return told({ run, config: run.config, bytes, plan, weights, lines });
}

/** The plan of a run of the tower alone, the bytes of its checkpoints, both for people, and how many kinds of object it tells apart. */
export async function visionDryPlan(
  run: ResolvedRun,
): Promise<{ plan: RunPlan; bytes: number; lines: string[]; kinds: number }> {
  const data = await openVisionData(run.config, run.registry);
  try {
    const plan = visionPlan(run.config, data);
    const bytes = FLOAT * MOMENTS * plan.trainable;
    return { plan, bytes, lines: describeVision(plan, data), kinds: data.kinds.length };
  } finally {
    await data.close();
  }
}

/** The run that this one starts from, where that has been trained. */
export async function trainedParent({ config, registry }: ResolvedRun): Promise<Parent | undefined> {
  if (config.init === undefined || !existsSync(config.init.from)) return undefined;
  const parent = await openParent(config.init.from, { registry });
  checkParent(config, parent);
  return parent;
}

async function batchOf(config: RunConfig, data: OpenData): Promise<NonNullable<DryRun['firstBatch']>> {
  const loader = openLoader({ config, model: modelConfigOf(config), data, onBadSamples: () => undefined });
  try {
    const { shape, pixelShape, examples } = await loader.batch(0);
    return { rows: shape[0], tokens: shape[1], images: pixelShape[0], examples: examples.length };
  } finally {
    await loader.close();
  }
}

function told(request: {
  run: ResolvedRun;
  config: RunConfig;
  bytes: number;
  plan: RunPlan;
  weights: DryRun['weights'];
  lines: string[];
  firstBatch?: DryRun['firstBatch'];
}): DryRun {
  const { run, config, bytes, plan, weights, lines, firstBatch } = request;
  const { everySteps, keep } = config.train.checkpoint;
  return {
    file: run.file,
    name: config.name,
    plan,
    ...(firstBatch && { firstBatch }),
    checkpointBytes: bytes,
    weights,
    lines: [
      ...lines,
      `checkpoints: ${megabytes(bytes)} each, every ${everySteps} steps, ${keep} kept`,
      ...weights.map(
        ({ key, path, there }) =>
          `weights: ${key} from ${path}${there ? ', whose headers fit the model' : ', which is not there yet'}`,
      ),
    ],
  };
}

/** Bytes of a checkpoint: the weights that no published file holds, and the optimizer's moments of those that train. */
export function checkpointBytes(config: RunConfig, registry: Registry): number {
  const model = modelConfigOf(config);
  const trains = trainableIn(config.train.trainable ?? stageOf(config, registry).trains);
  const parts = weightsParts(model).filter(({ key }) => config.model.weights[key] !== undefined);
  const external = new Set(
    parts.flatMap(({ shapes, optional }) => [...shapes.keys()].filter((name) => !optional(name))),
  );
  let values = 0;
  for (const [name, shape] of modelShapes(model)) {
    const size = valuesIn(shape);
    if (trains(name)) values += MOMENTS * size;
    else if (!external.has(name)) values += size;
  }
  return FLOAT * values;
}

function megabytes(bytes: number): string {
  return `about ${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** Opens the sources of the run's questions, so that a missing one is known before training. */
async function openQuestions({ config, registry }: ResolvedRun, faults: DataFaults): Promise<void> {
  for (const { samples: _, ...line } of config.eval?.sources ?? []) {
    await faults.attempt(() => openSourceLine(line, { registry, cache: config.data.cache }));
  }
}
