/** `tristage plan --memory`: what runs take, from their files alone. */

import { type Registry, stageOf } from '../config.ts';
import { openRuns } from '../plugins.ts';
import { type MemoryPlan, planMemory } from './memory.ts';
import { memoryLines } from './memory-text.ts';
import { microBatchLines, type PlannedMemory, plannedMemory } from './micro-batch.ts';
import { planTowerMemory, type TowerPlan } from './tower-memory.ts';

/** The memory of a run, and that as lines for people. */
export interface MemoryOfRun extends PlannedMemory {
  file: string;
  name: string;
  lines: string[];
}

/**
 * Estimates runs whose data need not be there: rows are as long as they may be, and a vocabulary that is pruned to the data counts whole.
 * @throws TristageError for a file that is not valid
 */
export async function memoryOnly(request: {
  files: readonly string[];
  set: readonly string[];
  registry: Registry;
}): Promise<MemoryOfRun[]> {
  const runs = await openRuns(request.files, { registry: request.registry, set: request.set });
  const results: MemoryOfRun[] = [];
  for (const { file, config, registry } of runs) {
    const planned = await plannedMemory<MemoryPlan | TowerPlan>(config, (microBatch) =>
      stageOf(config, registry).objective === 'patches'
        ? planTowerMemory({ config, microBatch })
        : planMemory({ config, registry, steps: [], microBatch }),
    );
    const lines = [...microBatchLines(planned, config.train.globalBatch), ...memoryLines(planned.memory)];
    results.push({ file, name: config.name, ...planned, lines });
  }
  return results;
}
