/** `tristage plan --memory`: what runs take, from their files alone. */

import { TristageError } from '../../core/errors.ts';
import { type Registry, stageOf } from '../config.ts';
import { openRuns } from '../plugins.ts';
import { memoryLines } from './memory-text.ts';
import { microBatchLines, type PlannedMemory, plannedMemory } from './micro-batch.ts';

/** The memory of a run, and that as lines for people. */
export interface MemoryOfRun extends PlannedMemory {
  file: string;
  name: string;
  lines: string[];
}

/**
 * Estimates runs whose data need not be there: rows are as long as they may be, and a vocabulary that is pruned to the data counts whole.
 * @throws TristageError for a file that is not valid, E_PLAN_MEMORY for a stage that trains the vision tower alone
 */
export async function memoryOnly(request: {
  files: readonly string[];
  set: readonly string[];
  registry: Registry;
}): Promise<MemoryOfRun[]> {
  const runs = await openRuns(request.files, { registry: request.registry, set: request.set });
  const results: MemoryOfRun[] = [];
  for (const { file, config, registry } of runs) {
    if (stageOf(config, registry).objective === 'patches') throw noTexts(file, config.stage);
    const planned = await plannedMemory({ config, registry, steps: [] });
    const lines = [...microBatchLines(planned, config.train.globalBatch), ...memoryLines(planned.memory)];
    results.push({ file, name: config.name, ...planned, lines });
  }
  return results;
}

function noTexts(where: string, stage: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_PLAN_MEMORY',
    message: 'the memory of a stage that trains the vision tower alone is not estimated',
    where,
    found: stage,
    expected: 'a stage that trains on texts',
  });
}
