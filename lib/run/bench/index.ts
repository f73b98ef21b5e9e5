/** `tristage bench`: our engines against plain PyTorch on this machine, both in one run, reported as ratios. */
import { availableParallelism } from 'node:os';
import type { EngineInfo, EngineName } from '../../engine/engine.ts';
import { OP_CASES } from './op-cases.ts';
import { measurePaired, type PairedResult, type Spread } from './paired.ts';
import type { Peer } from './peer.ts';
import { findPythonTorch, startPython, startWorker } from './sides.ts';

export interface BenchOptions {
  engine: EngineName;
  /** Rounds of the paired measurement; default 5. */
  rounds?: number | undefined;
  /** Threads of both sides; default: the processors this process may use. */
  threads?: number | undefined;
  /** Cases whose name contains this. */
  filter?: string | undefined;
  log?: ((line: string) => void) | undefined;
}

export interface BenchCase {
  name: string;
  engine: EngineName;
  /** Version of the library that our engine computes with. */
  library: string;
  /** Version of the PyTorch beside it. */
  torch: string;
  /** `ratio` is theirs divided by ours: above 1, we are faster. */
  speed: { ratio: number; spread: Spread; oursSeconds: Spread; theirsSeconds: Spread };
  /** `ratio` is ours divided by theirs, of the largest resident memory of the whole process: below 1, we need less. */
  memory?: { ratio: number; oursBytes: number; theirsBytes: number };
}

export interface BenchReport {
  threads: number;
  rounds: number;
  cases: BenchCase[];
}

interface Description {
  torch: string;
}

function speedOf(result: PairedResult): BenchCase['speed'] {
  return {
    ratio: result.ratio.median,
    spread: result.ratio,
    oursSeconds: result.ours,
    theirsSeconds: result.theirs,
  };
}

/** Starts both sides, hands them over, and ends both whatever happens. */
async function withSides<T>(ours: Peer, theirs: Peer, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    await Promise.all([ours.close(), theirs.close()]);
  }
}

/** The version that decides the partner: our libtorch; tensorflow takes any PyTorch. */
async function partnerOf(engine: EngineName, ours: Peer): Promise<{ python: string; version: string }> {
  const { version } = await ours.ask<EngineInfo>({ do: 'describe' });
  return { ...(await findPythonTorch(engine === 'torch' ? version : undefined)), version };
}

/**
 * Each op, forward and backward.
 * @throws E_BENCH_PYTHON, E_BENCH_SCRIPT, E_BENCH_PEER
 */
export async function benchOps({
  engine,
  rounds = 5,
  filter = '',
  log,
  ...options
}: BenchOptions): Promise<BenchReport> {
  const threads = options.threads ?? availableParallelism();
  const ours = startWorker({ name: 'ops', engine, args: [String(threads)] });
  const { python, version } = await partnerOf(engine, ours);
  const theirs = startPython(python, 'ops.py', [String(threads)]);
  return withSides(ours, theirs, async () => {
    const { torch } = await theirs.ask<Description>({ do: 'describe' });
    const cases: BenchCase[] = [];
    for (const { name, op, shape } of OP_CASES.filter((opCase) => opCase.name.includes(filter))) {
      const run = (peer: Peer) => async () =>
        (await peer.ask<{ seconds: number[] }>({ do: 'time', op, shape, count: 5 })).seconds;
      await Promise.all([run(ours)(), run(theirs)()]);
      const speed = speedOf(await measurePaired({ rounds, ours: run(ours), theirs: run(theirs) }));
      const fullName = engine === 'torch' ? name : `${engine}-${name}`;
      cases.push({ name: fullName, engine, library: version, torch, speed });
      log?.(`${fullName}: speed ratio ${speed.ratio.toFixed(2)}`);
    }
    return { threads, rounds, cases };
  });
}

/** The report as lines for a terminal. */
export function renderBench({ threads, rounds, cases }: BenchReport): string {
  const lines = [`${threads} threads, ${rounds} rounds, A B A B; speed = theirs / ours, memory = ours / theirs`];
  for (const { name, library, torch, speed, memory } of cases) {
    const ms = (seconds: number) => (seconds * 1000).toPrecision(4);
    lines.push(
      `${name.padEnd(34)} speed ${speed.ratio.toFixed(2)} (${speed.spread.min.toFixed(2)}-${speed.spread.max.toFixed(2)})` +
        `  ours ${ms(speed.oursSeconds.median)} ms  theirs ${ms(speed.theirsSeconds.median)} ms` +
        (memory ? `  memory ${memory.ratio.toFixed(2)}` : '') +
        `  [${library} / PyTorch ${torch}]`,
    );
  }
  return lines.join('\n');
}
