/** The facts of a run before its first step, worked out from settings and shapes alone: no weights, no engine. */

import { type ModelConfig, tokensPerImage } from '../model/config.ts';
import { modelShapes, valuesIn } from '../model/shapes.ts';
import type { TrainableGroup } from './stage.ts';
import { groupOf, trainableIn } from './trainable.ts';

/** Samples of one source and its share of the mixture. */
export interface PlannedSource {
  source: string;
  task: string;
  /** Tells it from other lines of the same source and task, such as `part: detail`. */
  part?: string;
  samples: number;
  /** 0..1 */
  share: number;
  /** Samples that it gives in the whole run. */
  drawn: number;
  /** How often each of its samples is seen in the run, on average. */
  epochs: number;
}

export interface PlanRequest {
  model: ModelConfig;
  trainable: readonly TrainableGroup[];
  steps: number;
  globalBatch: number;
  microBatch: number;
  /** `batch`: samples of a step that draws this source; absent: each sample draws its source. */
  sources: readonly {
    source: string;
    task: string;
    part?: string | undefined;
    samples: number;
    rate: number;
    batch?: number | undefined;
  }[];
  /** Samples that each source gives in the whole run, where its rate alone does not say so. */
  drawn?: readonly number[] | undefined;
}

export interface RunPlan {
  /** Values by group of parameters. */
  parameters: Readonly<Record<TrainableGroup, number>>;
  /** Values that train, and that stay as they are. */
  trainable: number;
  frozen: number;
  /** Language tokens that one image takes. */
  tokensPerImage: number;
  steps: number;
  globalBatch: number;
  /** Passes through the model for one update. */
  microBatches: number;
  /** Samples drawn in the whole run. */
  samples: number;
  sources: readonly PlannedSource[];
}

/** Works out the plan of a run. */
export function planRun(request: PlanRequest): RunPlan {
  const { model, steps, globalBatch, microBatch, sources } = request;
  const parameters: Record<TrainableGroup, number> = { vision: 0, projector: 0, lora: 0, llm: 0 };
  const trains = trainableIn(request.trainable);
  let trainable = 0;
  let total = 0;
  for (const [name, shape] of modelShapes(model)) {
    const values = valuesIn(shape);
    parameters[groupOf(name)] += values;
    total += values;
    if (trains(name)) trainable += values;
  }
  const weights = request.drawn ?? sources.map(({ rate, batch = 1 }) => rate * batch);
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const samples = request.drawn === undefined ? Math.round(steps * samplesOfStep(request)) : all;
  return {
    parameters,
    trainable,
    frozen: total - trainable,
    tokensPerImage: tokensPerImage(model),
    steps,
    globalBatch,
    microBatches: Math.ceil(globalBatch / microBatch),
    samples,
    sources: sources.map(({ source, task, part, samples: size }, line) => ({
      source,
      task,
      ...(part === undefined ? {} : { part }),
      samples: size,
      share: (weights[line] ?? 0) / all,
      drawn: (samples * (weights[line] ?? 0)) / all,
      epochs: (samples * (weights[line] ?? 0)) / all / size,
    })),
  };
}

/** The mean of the batches, where steps draw their source; the global batch is that mean rounded. */
function samplesOfStep({ globalBatch, sources }: PlanRequest): number {
  if (sources.every(({ batch }) => batch === undefined)) return globalBatch;
  const rates = sources.reduce((sum, { rate }) => sum + rate, 0);
  return sources.reduce((sum, { rate, batch = 1 }) => sum + rate * batch, 0) / rates;
}

/** A plan as lines for people. */
export function describePlan(plan: RunPlan): string[] {
  const { parameters, trainable, frozen, samples, steps, globalBatch, microBatches, sources } = plan;
  const groups = Object.entries(parameters).map(([group, values]) => `${group} ${grouped(values)}`);
  const passes = microBatches > 1 ? ` in ${microBatches} passes` : '';
  return [
    `parameters: ${groups.join(', ')}; ${grouped(trainable)} train, ${grouped(frozen)} stay as they are`,
    `plan: ${grouped(steps)} steps of ${globalBatch} samples${passes}, ${grouped(samples)} samples in all, ${plan.tokensPerImage} tokens an image`,
    ...sources.map(
      ({ source, task, part, samples: size, share, epochs }) =>
        `source ${source} (${[task, part].filter((word) => word !== undefined).join(', ')}): ${grouped(size)} samples, ${(100 * share).toFixed(1)} % of the samples, ${epochs.toFixed(2)} epochs`,
    ),
  ];
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
