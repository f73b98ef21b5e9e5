/** The micro-batch that `train.microBatch: auto` comes to, by the estimate of memory alone. */

import type { RunConfig } from '../../config/schema.ts';
import { TristageError } from '../../core/errors.ts';
import { freeMemory } from '../free-memory.ts';
import { type CommonMemory, type MemoryPlan, plannedEngine } from './memory.ts';
import type { TowerPlan } from './tower-memory.ts';

/** Share of the memory that the estimate may fill: it is within a tenth of what is measured (docs/memory.md). */
const MARGIN = 0.9;

/** The memory of a run with a micro-batch; without one, with that of its file. */
type Estimate<M extends CommonMemory> = (microBatch?: number) => M;

export interface FittingMicroBatch<M extends CommonMemory> {
  /** Examples of a pass. */
  examples: number;
  why: string;
  /** Set where not even one example fits. */
  warning?: string;
  /** The run with this micro-batch. */
  memory: M;
}

/**
 * The largest divisor of the global batch that fits the memory by estimate, or 1.
 * @throws TristageError E_FREE_MEMORY where nothing says how much there is
 */
export async function largestThatFits<M extends CommonMemory>(
  config: RunConfig,
  estimate: Estimate<M>,
): Promise<FittingMicroBatch<M>> {
  const available = await memoryFor(config);
  const most = MARGIN * available.bytes;
  const { globalBatch } = config.train;
  let examples = globalBatch;
  let memory = estimate(examples);
  while (memory.total > most && examples > 1) {
    examples = nextDivisor(globalBatch, examples);
    memory = estimate(examples);
  }
  const why = `auto: about ${gigabytes(memory.total)} of ${gigabytes(available.bytes)}, ${available.from}`;
  const warning = `a micro-batch of 1 takes more than ${gigabytes(most)} by estimate`;
  return { examples, why, ...(memory.total > most && { warning }), memory };
}

/** The memory that a plan shows. */
export interface PlannedMemory<M extends CommonMemory = MemoryPlan | TowerPlan> {
  memory: M;
  /** What `train.microBatch: auto` comes to by estimate; absent where the file says it. */
  microBatch?: { examples: number; why: string };
}

/** The memory of a run with the micro-batch of its file, or else with the one that `auto` would take here and now. */
export async function plannedMemory<M extends CommonMemory>(
  config: RunConfig,
  estimate: Estimate<M>,
): Promise<PlannedMemory<M>> {
  if (config.train.microBatch !== 'auto') return { memory: estimate() };
  try {
    const { examples, why, warning, memory } = await largestThatFits(config, estimate);
    return { memory, microBatch: { examples, why: warning === undefined ? why : `${why}; ${warning}` } };
  } catch (error) {
    if (!(error instanceof TristageError && error.code === 'E_FREE_MEMORY')) throw error;
    const why = `auto, but ${error.message} here: ${error.found}; shown is the whole global batch`;
    return { memory: estimate(), microBatch: { examples: config.train.globalBatch, why } };
  }
}

/** How the micro-batch came about, for people; nothing where the file says it. */
export function microBatchLines({ microBatch }: Pick<PlannedMemory, 'microBatch'>, globalBatch: number): string[] {
  if (microBatch === undefined) return [];
  const { examples, why } = microBatch;
  return [`micro-batch: ${examples} of ${globalBatch} by estimate (${why}); the run chooses anew when it begins`];
}

async function memoryFor(config: RunConfig): Promise<{ bytes: number; from: string }> {
  const { memory } = config.engine;
  if (memory !== undefined) return { bytes: memory * 1e9, from: 'engine.memory' };
  return await freeMemory(plannedEngine(config).device);
}

/** @returns the largest divisor of `of` below `than`, which is above 1 */
function nextDivisor(of: number, than: number): number {
  let size = than - 1;
  while (of % size !== 0) size--;
  return size;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(3)} GB`;
}
