/** `tristage plan`: what a run will see, how much it takes and how long, before its first step. It needs the data, but no weights. */

import type { RunConfig } from '../../config/schema.ts';
import { TristageError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { RunPlan } from '../../train/plan.ts';
import { checkWeights } from '../check-weights.ts';
import { type Registry, type ResolvedRun, stageOf } from '../config.ts';
import { encodeOptionsOf, type OpenData, type OpenLine, openData, orderOf, sourceNotes } from '../data.ts';
import { type DataFaults, dataFaults } from '../data-faults.ts';
import { checkpointBytes, trainedParent, visionDryPlan } from '../dry-run.ts';
import { modelConfigOf } from '../model-config.ts';
import { planOf } from '../plan.ts';
import { openRuns } from '../plugins.ts';
import { inheritedPieces } from '../vocabulary.ts';
import { brokenLimits } from './limits.ts';
import { measureSource, measureSteps } from './measure.ts';
import { planMemory } from './memory.ts';
import { type PlannedMemory, plannedMemory } from './micro-batch.ts';
import type { PlannedRun, SourcePlan } from './planned-run.ts';
import { type PlannedSpeed, plannedSpeed } from './speed.ts';
import { describeRun } from './text.ts';
import { planTowerMemory } from './tower-memory.ts';

export interface PlanRequest {
  files: readonly string[];
  set: readonly string[];
  registry: Registry;
  logger: Logger;
  /** Samples of each source that are looked at. Default 200. */
  samples?: number | undefined;
  /** Samples a second. */
  speed?: number | undefined;
  /** Run folder whose speed is taken. */
  like?: string | undefined;
}

const SAMPLES = 200;

/**
 * Plans runs.
 * @throws TristageError for a file that is not valid, E_SAMPLES, E_MIXTURE_END where caps do not last for the run, E_PLAN_SPEED; and E_DATA,
 *   E_WEIGHTS, or the fault itself, for missing data, weights that do not fit and broken limits (E_PLAN_TOKENS, E_BAD_SAMPLES) of all files
 *   together
 */
export async function planRuns(request: PlanRequest): Promise<PlannedRun[]> {
  checkSamples(request.samples);
  const speed = plannedSpeed({ samplesPerSecond: request.speed, like: request.like });
  const runs = await openRuns(request.files, { registry: request.registry, set: request.set });
  const faults = dataFaults();
  const results: PlannedRun[] = [];
  for (const run of runs) {
    const result = await faults.attempt(() => planned(run, { request, speed, faults }));
    if (result !== undefined) results.push({ ...result, lines: describeRun(result) });
  }
  faults.raise();
  return results;
}

function checkSamples(samples = SAMPLES): void {
  if (Number.isSafeInteger(samples) && samples > 0) return;
  throw new TristageError({
    kind: 'usage',
    code: 'E_SAMPLES',
    message: 'so many samples cannot be looked at',
    where: '--samples',
    found: String(samples),
    expected: 'a whole number above 0',
  });
}

interface Planning {
  request: PlanRequest;
  speed: PlannedSpeed | undefined;
  faults: DataFaults;
}

type Plain = Omit<PlannedRun, 'lines'>;

async function planned(run: ResolvedRun, planning: Planning): Promise<Plain> {
  const { request, speed, faults } = planning;
  if (stageOf(run.config, run.registry).objective === 'patches') {
    const { plan, bytes, kinds } = await visionDryPlan(run);
    const { steps, samples } = plan;
    const totals = { steps, samples, images: samples, tokens: 0 };
    const memory = await plannedMemory(run.config, (microBatch) =>
      planTowerMemory({ config: run.config, kinds, microBatch }),
    );
    return { ...commonOf(run, run.config, { plan: inPasses(plan, memory), bytes, speed }), totals, ...memory };
  }
  const parent = await trainedParent(run);
  faults.add((await checkWeights(run, parent)).faults);
  const data = await openData(run.config, run.registry, inheritedPieces(run.config, { parent }));
  for (const note of sourceNotes(data)) request.logger.warn(note);
  const { config } = data;
  const plan = planOf(config, data, run.registry);
  const stream = orderOf(config, data);
  const encode = encodeOptionsOf({ config, model: modelConfigOf(config), data });
  const sources = await sourcesOf({ config, data, plan, stream, encode }, planning);
  const { facts: step, steps: looked } = await measureSteps({ config, data, stream, encode });
  const memory = await plannedMemory(config, (microBatch) =>
    planMemory({ config, registry: run.registry, steps: looked, microBatch }),
  );
  const { steps } = plan;
  // Where rows are packed, samples share images; a few steps say how many.
  const images = config.data.packing === undefined ? sum(sources.map(withImages)) : steps * step.images;
  const totals = { steps, samples: sum(sources.map(({ samples }) => samples)), images: Math.round(images) };
  return {
    ...commonOf(run, config, { plan: inPasses(plan, memory), bytes: checkpointBytes(config, run.registry), speed }),
    totals: { ...totals, tokens: Math.round(steps * step.tokens) },
    sources,
    step,
    ...memory,
    ...(config.data.packing === undefined ? {} : { packedRow: config.data.packing.maxTokens }),
  };
}

/** The plan of a run whose file leaves its micro-batch open. */
function inPasses(plan: RunPlan, { microBatch }: PlannedMemory): RunPlan {
  return microBatch === undefined ? plan : { ...plan, microBatches: Math.ceil(plan.globalBatch / microBatch.examples) };
}

function withImages({ samples, withImage }: SourcePlan): number {
  return samples * withImage;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function sourcesOf(
  open: {
    config: RunConfig;
    data: OpenData;
    plan: RunPlan;
    stream: ReturnType<typeof orderOf>;
    encode: ReturnType<typeof encodeOptionsOf>;
  },
  { request, faults }: Planning,
): Promise<SourcePlan[]> {
  const { config, data, plan, stream, encode } = open;
  const sources: SourcePlan[] = [];
  const drawn = stream.counts(plan.steps);
  for (const [place, line] of data.lines.entries()) {
    const facts = await measureSource({
      ...{ line, place, stream, encode, seed: config.train.seed },
      packed: config.data.packing?.maxTokens,
      samples: request.samples ?? SAMPLES,
    });
    for (const fault of brokenLimits(line, facts, config.data.maxTokens))
      await faults.attempt(() => Promise.reject(fault));
    sources.push({
      ...linePlan(line, { share: plan.sources[place]?.share ?? 0, samples: drawn[place] ?? 0 }),
      ...partOf(plan, place),
      ...facts,
    });
  }
  return sources;
}

function partOf({ sources }: RunPlan, place: number): Pick<SourcePlan, 'part'> {
  const part = sources[place]?.part;
  return part === undefined ? {} : { part };
}

function linePlan({ source, task, rate, cap }: OpenLine, { share, samples }: { share: number; samples: number }) {
  const epochs = samples / source.length;
  const capped = cap === undefined ? {} : { cap };
  return {
    ...{ source: source.name, task, rows: source.length, rate, ...capped, share, samples },
    ...{ epochs, repeats: Math.ceil(epochs) },
  };
}

function commonOf(
  { file }: ResolvedRun,
  config: RunConfig,
  { plan, bytes, speed }: { plan: RunPlan; bytes: number; speed: PlannedSpeed | undefined },
): Pick<PlannedRun, 'file' | 'name' | 'stage' | 'plan' | 'disk' | 'duration'> {
  const { everySteps, keep, best } = config.train.checkpoint;
  // One more lies there while it is written, and the best may be an old one.
  const kept = Math.min(keep + (best === undefined ? 0 : 1), Math.ceil(plan.steps / everySteps));
  const seconds = speed === undefined ? 0 : plan.samples / speed.samplesPerSecond;
  return {
    ...{ file, name: config.name, stage: config.stage, plan },
    disk: { checkpointBytes: bytes, kept, bytes: bytes * (kept + 1) },
    ...(speed === undefined ? {} : { duration: { ...speed, seconds } }),
  };
}
