/** The plan of a run whose sources are open. */

import type { RunConfig } from '../config/schema.ts';
import { planRun, type RunPlan } from '../train/plan.ts';
import { type Registry, stageOf } from './config.ts';
import type { OpenData } from './data.ts';
import { modelConfigOf } from './model-config.ts';

/** Works out the plan of a run that trains on texts. */
export function planOf(config: RunConfig, data: OpenData, registry: Registry): RunPlan {
  const { steps, globalBatch, microBatch = globalBatch } = config.train;
  return planRun({
    model: modelConfigOf(config),
    trainable: config.train.trainable ?? stageOf(config, registry).trains,
    steps,
    globalBatch,
    microBatch,
    sources: data.lines.map(({ source, task, rate, batch }) => ({
      source: source.name,
      task,
      samples: source.length,
      rate,
      batch,
    })),
  });
}
