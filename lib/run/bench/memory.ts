/** `tristage bench memory`: the estimate of `tristage plan` beside the measured peak of updates, each size in a process of its own. */
import { availableParallelism } from 'node:os';
import { type StepMemory, stepMemory } from '../../train/memory.ts';
import { towerStepMemory } from '../../train/tower-memory.ts';
import { programAndEngine } from '../planning/memory.ts';
import { MEMORY_CASES, type MemoryCase, modelOf } from './memory-case.ts';
import { startWorker } from './sides.ts';
import { CASE_KINDS, TOWER_CASES, type TowerCase } from './tower-case.ts';

/** Bytes of one case; a ratio is estimated divided by measured. */
export interface MemoryComparison {
  name: string;
  estimatedBytes: number;
  /** Largest resident memory of the process during the updates. */
  measuredBytes: number;
  ratio: number;
  /** The same of the tensors alone, where the engine counts them. */
  tensors?: { estimatedBytes: number; measuredBytes: number; ratio: number };
}

export interface MemoryReport {
  engine: string;
  library: string;
  threads: number;
  cases: MemoryComparison[];
}

export interface MemoryBenchOptions {
  engine: 'torch' | 'tensorflow';
  threads?: number | undefined;
  /** Cases whose name contains this. */
  filter?: string | undefined;
  /** A libtorch by its source. */
  torch?: string | undefined;
  log?: ((line: string) => void) | undefined;
}

const STEPS = 3;
const CASES: readonly (MemoryCase | TowerCase)[] = [...MEMORY_CASES, ...TOWER_CASES];

/**
 * Measures every case.
 * @throws E_BENCH_PEER
 */
export async function benchMemory(options: MemoryBenchOptions): Promise<MemoryReport> {
  const { engine, filter = '', log, threads = availableParallelism() } = options;
  const report: MemoryReport = { engine, library: '', threads, cases: [] };
  for (const memoryCase of CASES.filter(({ name }) => name.includes(filter))) {
    const args = [String(threads), JSON.stringify(memoryCase)];
    const worker = startWorker({ name: 'memory', engine, args, torch: options.torch });
    try {
      report.library = (await worker.ask<{ version: string }>({ do: 'describe' })).version;
      const measured = await worker.ask<{ residentBytes: number; tensorBytes: number | null }>({
        do: 'steps',
        count: STEPS,
      });
      const comparison = compare(memoryCase, { engine, ...measured });
      report.cases.push(comparison);
      log?.(lineOf(comparison));
    } finally {
      await worker.close();
    }
  }
  return report;
}

function compare(
  memoryCase: MemoryCase | TowerCase,
  of: { engine: 'torch' | 'tensorflow'; residentBytes: number; tensorBytes: number | null },
): MemoryComparison {
  const { name } = memoryCase;
  const { peak } = 'tower' in memoryCase ? ofTower(memoryCase, of.engine) : ofText(memoryCase, of.engine);
  const estimatedBytes = peak + programAndEngine(of.engine);
  const measuredBytes = of.residentBytes;
  const whole = { name, estimatedBytes, measuredBytes, ratio: estimatedBytes / measuredBytes };
  if (of.tensorBytes === null) return whole;
  const tensors = { estimatedBytes: peak, measuredBytes: of.tensorBytes, ratio: peak / of.tensorBytes };
  return { ...whole, tensors };
}

function ofText(memoryCase: MemoryCase, backend: 'torch' | 'tensorflow'): StepMemory {
  const { rows, tokens, answer, passes, recompute, precision } = memoryCase;
  const engine = { backend, device: 'cpu', precision } as const;
  const model = modelOf(memoryCase);
  return stepMemory(
    { model, trainable: ['projector', 'lora'], engine, recompute },
    { rows, tokens, images: rows, supervised: rows * answer, masked: false },
    passes,
  );
}

function ofTower({ tower, images, passes }: TowerCase, backend: 'torch' | 'tensorflow'): StepMemory {
  const engine = { backend, device: 'cpu', precision: 'float32' } as const;
  const settings = { vision: tower, kinds: CASE_KINDS, engine, measured: 0 };
  return towerStepMemory(settings, { images, passes });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

function lineOf({ name, estimatedBytes, measuredBytes, ratio, tensors }: MemoryComparison): string {
  const alone = tensors === undefined ? '' : `; tensors alone ${tensors.ratio.toFixed(3)}`;
  return `${name.padEnd(17)} estimated ${megabytes(estimatedBytes)}, measured ${megabytes(measuredBytes)}: ${ratio.toFixed(3)}${alone}`;
}

/** The report as lines for a terminal. */
export function renderMemory({ engine, library, threads, cases }: MemoryReport): string {
  return [`${engine} ${library}, ${threads} threads; estimate / measured`, ...cases.map(lineOf)].join('\n');
}
