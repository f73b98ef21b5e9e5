/** The plan of a run whose sources are open. */

import { fixedMicroBatch } from '../config/micro-batch.ts';
import type { RunConfig } from '../config/schema.ts';
import { mixtureEnds } from '../data/stream.ts';
import { planRun, type RunPlan } from '../train/plan.ts';
import { type Registry, stageOf } from './config.ts';
import { type OpenData, orderOf } from './data.ts';
import { lineParts } from './line-parts.ts';
import { modelConfigOf } from './model-config.ts';

/**
 * Works out the plan of a run that trains on texts.
 * @param chosen the micro-batch where the file leaves it open
 * @throws TristageError E_MIXTURE_END where every source has a cap and they do not last for the run
 */
export function planOf(config: RunConfig, data: OpenData, registry: Registry, chosen?: number): RunPlan {
  const { steps, globalBatch } = config.train;
  const microBatch = chosen ?? fixedMicroBatch(config.train) ?? globalBatch;
  const order = orderOf(config, data);
  if (order.steps < steps) throw mixtureEnds(order.steps, steps);
  const parts = lineParts(config.data.mixture.sources);
  const capped = data.lines.some(({ cap }) => cap !== undefined);
  return planRun({
    model: modelConfigOf(config),
    trainable: config.train.trainable ?? stageOf(config, registry).trains,
    steps,
    globalBatch,
    microBatch,
    // A cap moves shares in the course of a run; without one rates say them exactly.
    ...(capped ? { drawn: order.counts(steps) } : {}),
    sources: data.lines.map(({ source, task, rate, batch }, line) => ({
      source: source.name,
      task,
      part: parts[line],
      samples: source.length,
      rate,
      batch,
    })),
  });
}
