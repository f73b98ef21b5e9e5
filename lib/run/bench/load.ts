/** `tristage bench load`: bfloat16 weights from a file to the engine, against a plain read loop over the same file. */

import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import type { EngineInfo } from '../../engine/engine.ts';
import { everyPython } from '../../engine/toolchain.ts';
import type { BenchOptions } from './index.ts';
import { type LoadModel, writeLoadModel } from './load-case.ts';
import { measurePaired, type Spread, spreadOf } from './paired.ts';
import type { Peer } from './peer.ts';
import { startPython, startWorker } from './sides.ts';

export interface LoadOptions extends BenchOptions {
  /** Which libtorch our side computes with, as TRISTAGE_TORCH_SOURCE names it. */
  torch?: string | undefined;
  /** Size of the file in GiB; default 3. */
  gib?: number | undefined;
}

export interface LoadCase {
  name: string;
  engine: BenchOptions['engine'];
  /** Version of the library that holds the weights. */
  library: string;
  /** Whether the system had the file in its page cache before each reading, on both sides. */
  cached: boolean;
  bytes: number;
  /** `ratio` is the read loop's time divided by ours: the target is 0.8. */
  speed: { ratio: number; spread: Spread; oursSeconds: Spread; theirsSeconds: Spread };
  /** The same of user and system time. */
  cpu: { ratio: number; oursSeconds: Spread; theirsSeconds: Spread };
  /** Largest resident memory of a process; the read loop's holds the bytes of the file and nothing else. */
  memory: { ratio: number; oursBytes: number; theirsBytes: number };
}

export interface LoadReport {
  threads: number;
  rounds: number;
  cases: LoadCase[];
}

interface Loaded {
  seconds: number;
  cpu: number;
}

/** Share of the read loop's speed that loading should reach. */
const TARGET = 0.8;

/**
 * A file that is in the page cache, and one that is not. Each reading has a process of its own, so that all memory is fresh.
 * @throws TristageError E_BENCH_PYTHON, E_BENCH_SCRIPT, E_BENCH_PEER
 */
export async function benchLoad(options: LoadOptions): Promise<LoadReport> {
  const { engine, rounds = 5, filter = '', gib = 3, log } = options;
  const threads = options.threads ?? availableParallelism();
  const python = everyPython()[0];
  if (python === undefined) throw noPython();
  const folder = await mkdtemp(join(tmpdir(), 'tristage-bench-'));
  try {
    log?.(`writing ${gib} GiB to ${folder}`);
    const model = await writeLoadModel(folder, gib * 2 ** 30);
    const cases: LoadCase[] = [];
    for (const cached of [true, false]) {
      const name = `${engine === 'torch' ? '' : `${engine}-`}load-${cached ? 'cached' : 'uncached'}`;
      if (!name.includes(filter)) continue;
      const found = await measureLoad({ ...options, name, folder, model, cached, python, rounds, threads });
      cases.push(found);
      log?.(`${name}: speed ratio ${found.speed.ratio.toFixed(2)}`);
    }
    return { threads, rounds, cases };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function noPython(): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_BENCH_PYTHON',
    message: 'The benchmark needs a Python for its plain read loop',
    found: 'no python3 on PATH',
    expected: 'python3, without any package',
    fix: 'apt-get install python3',
  });
}

interface LoadRequest extends LoadOptions {
  name: string;
  folder: string;
  model: LoadModel;
  cached: boolean;
  python: string;
  rounds: number;
  threads: number;
}

async function measureLoad(request: LoadRequest): Promise<LoadCase> {
  const { name, engine, torch, folder, model, cached, python, rounds, threads } = request;
  const cpu = { ours: [] as number[], theirs: [] as number[] };
  const peaks = { ours: 0, theirs: 0 };
  let library = '';
  const startOurs = () => startWorker({ name: 'load', engine, args: [folder, String(threads)], torch });
  const startTheirs = () => startPython(python, 'load.py', [model.file]);
  const ours = async () => {
    const peer = startOurs();
    return withPeer(peer, async () => {
      library = (await peer.ask<EngineInfo>({ do: 'describe' })).version;
      await withPeer(startTheirs(), (other) => other.ask({ do: 'cache', keep: cached }));
      const { seconds, cpu: used } = await peer.ask<Loaded>({ do: 'load' });
      cpu.ours.push(used);
      peaks.ours = Math.max(peaks.ours, (await peer.ask<{ bytes: number }>({ do: 'peak' })).bytes);
      return [seconds];
    });
  };
  const theirs = () =>
    withPeer(startTheirs(), async (peer) => {
      await peer.ask({ do: 'cache', keep: cached });
      const { seconds, cpu: used } = await peer.ask<Loaded>({ do: 'load' });
      cpu.theirs.push(used);
      peaks.theirs = Math.max(peaks.theirs, (await peer.ask<{ bytes: number }>({ do: 'peak' })).bytes);
      return [seconds];
    });
  const result = await measurePaired({ rounds, ours, theirs });
  const [oursCpu, theirsCpu] = [spreadOf(cpu.ours), spreadOf(cpu.theirs)];
  return {
    ...{ name, engine, library, cached, bytes: model.bytes },
    speed: {
      ratio: result.ratio.median,
      spread: result.ratio,
      oursSeconds: result.ours,
      theirsSeconds: result.theirs,
    },
    cpu: { ratio: theirsCpu.median / oursCpu.median, oursSeconds: oursCpu, theirsSeconds: theirsCpu },
    memory: { ratio: peaks.ours / peaks.theirs, oursBytes: peaks.ours, theirsBytes: peaks.theirs },
  };
}

async function withPeer<T>(peer: Peer, use: (peer: Peer) => Promise<T>): Promise<T> {
  try {
    return await use(peer);
  } finally {
    await peer.close();
  }
}

/** The report as lines for a terminal. */
export function renderLoad({ threads, rounds, cases }: LoadReport): string {
  const lines = [
    `${threads} threads, ${rounds} rounds, A B A B, each in a new process; speed, cpu = theirs / ours, memory = ours / theirs`,
  ];
  for (const { name, speed, cpu, memory, bytes, library } of cases) {
    const rate = ({ median }: Spread) => `${(bytes / median / 1e9).toFixed(2)} GB/s`;
    lines.push(
      `${name.padEnd(16)} speed ${speed.ratio.toFixed(2)} (${speed.spread.min.toFixed(2)}-${speed.spread.max.toFixed(2)})` +
        `  target ${TARGET}: ${speed.ratio >= TARGET ? 'met' : 'missed'}` +
        `  ours ${rate(speed.oursSeconds)}  plain read ${rate(speed.theirsSeconds)}` +
        `  cpu ${cpu.ratio.toFixed(2)}  memory ${memory.ratio.toFixed(2)}` +
        `  ${(bytes / 2 ** 30).toFixed(2)} GiB of bfloat16  [${library}]`,
    );
  }
  return lines.join('\n');
}
