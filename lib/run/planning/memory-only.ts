/** `tristage plan --memory`: what runs take, from their files alone. */

import { TristageError } from '../../core/errors.ts';
import { type Registry, stageOf } from '../config.ts';
import { openRuns } from '../plugins.ts';
import { type MemoryPlan, planMemory } from './memory.ts';
import { memoryLines } from './memory-text.ts';

/** The memory of a run, and that as lines for people. */
export interface MemoryOfRun {
  file: string;
  name: string;
  memory: MemoryPlan;
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
  return runs.map(({ file, config, registry }) => {
    if (stageOf(config, registry).objective === 'patches') throw noTexts(file, config.stage);
    const memory = planMemory({ config, registry, steps: [] });
    return { file, name: config.name, memory, lines: memoryLines(memory) };
  });
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
