/** The full-size configurations, and the same with a model that a test can train. */

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { registry } from '../../bin/registry.ts';
import { loadTree } from '../../lib/config/load.ts';
import { checkTree } from '../../lib/config/resolve.ts';
import { vocabularyOf } from '../../lib/run/config.ts';

/** Their folder. */
export const CONFIGS = resolve(import.meta.dirname, '../../configs/minigptv2');

export type StageNumber = 1 | 2 | 3;

/** A stage as it ships, with no environment variable set. */
export function miniGpt(stage: StageNumber) {
  const tree = loadTree(join(CONFIGS, `stage${stage}.yaml`));
  return checkTree(tree, { vocabulary: vocabularyOf(registry), environment: {} });
}

/** Samples of a step: fewer than those of the paper, as many as give every source some within the steps. */
const GLOBAL_BATCH: Readonly<Record<StageNumber, number | undefined>> = { 1: 48, 2: 32, 3: undefined };

/**
 * Writes a run file that extends a stage: its mixture, its groups that train, a tiny model.
 * @param folder where the file lies; indexes go below it
 */
export function tinyStage(folder: string, stage: StageNumber, steps: number): string {
  const batch = GLOBAL_BATCH[stage];
  const file = join(folder, `stage${stage}.yaml`);
  writeFileSync(
    file,
    `version: 1
extends: ${join(CONFIGS, `stage${stage}.yaml`)}
engine: { device: cpu, precision: float32 }
model:
  preset: null
  weights: null
  vision: { imageSize: 56, patch: 14, width: 32, depth: 1, heads: 2, mlpHidden: 48 }
  join: 4
  llm: { vocabulary: 32000, width: 32, layers: 1, heads: 2, mlpHidden: 48 }
  lora: { rank: 4, alpha: 8 }
  vocabulary: pruned
data: { cache: ${join(folder, 'index')} }
train:
  steps: ${steps}
  microBatch: null
  recompute: false
  optimizer: { lr: 1.0e-2 }
  schedule: { warmupSteps: 0, minLr: 0 }
  checkpoint: { everySteps: ${steps} }
${batch === undefined ? '' : `  globalBatch: ${batch}\n`}`,
  );
  return file;
}
