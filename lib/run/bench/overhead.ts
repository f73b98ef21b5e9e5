/** `tristage bench overhead`: what a call costs besides computing, beside PyTorch's own calls from Python. */

import { availableParallelism } from 'node:os';
import type { EngineInfo } from '../../engine/engine.ts';
import type { BenchCase, BenchOptions } from './index.ts';
import { measurePaired, type Spread } from './paired.ts';
import type { Peer } from './peer.ts';
import { findPythonTorch, startPython, startWorker } from './sides.ts';

export interface OverheadOptions extends BenchOptions {
  /** Which libtorch our side computes with, as TRISTAGE_TORCH_SOURCE names it. */
  torch?: string | undefined;
}

export interface OverheadCase extends Omit<BenchCase, 'memory'> {
  /** The most that a call should take; absent where PyTorch is the only measure. */
  targetSeconds?: number;
}

export interface OverheadReport {
  threads: number;
  rounds: number;
  cases: OverheadCase[];
}

/**
 * An addition of single numbers through the addon alone, and as model code calls it; a layer of LLaMA with adapters, forward and backward,
 * whose sizes take no time. `count` are timed together, after as many that are not.
 */
const CASES: readonly { name: string; call: string; count: number; targetSeconds?: number }[] = [
  { name: 'addon-add', call: 'addon', count: 20_000, targetSeconds: 2e-6 },
  { name: 'tf-add', call: 'tf', count: 20_000, targetSeconds: 6e-6 },
  { name: 'layer', call: 'layer', count: 50 },
];

/**
 * Calls on which there is nothing to compute.
 * @throws TristageError E_BENCH_PYTHON, E_BENCH_SCRIPT, E_BENCH_PEER
 */
export async function benchOverhead(options: OverheadOptions): Promise<OverheadReport> {
  const { engine, rounds = 5, filter = '', torch, log } = options;
  const threads = options.threads ?? availableParallelism();
  const ours = startWorker({ name: 'overhead', engine, args: [String(threads)], torch });
  const peers = [ours];
  try {
    const { version } = await ours.ask<EngineInfo>({ do: 'describe' });
    const partner = await findPythonTorch(engine === 'torch' ? version : undefined);
    const theirs = startPython(partner.python, 'overhead.py', [String(threads)]);
    peers.push(theirs);
    const other = await theirs.ask<{ torch: string }>({ do: 'describe' });
    const cases: OverheadCase[] = [];
    for (const { name, call, count, ...target } of CASES) {
      if (!name.includes(filter) || (call === 'addon' && engine !== 'torch')) continue;
      const speed = await measureCall({ ours, theirs, call, count, rounds });
      const fullName = engine === 'torch' ? name : `${engine}-${name}`;
      cases.push({ name: fullName, engine, library: version, torch: other.torch, speed, ...target });
      log?.(`${fullName}: ${(speed.oursSeconds.median * 1e6).toFixed(2)} us`);
    }
    return { threads, rounds, cases };
  } finally {
    await Promise.all(peers.map((peer) => peer.close()));
  }
}

async function measureCall(request: {
  ours: Peer;
  theirs: Peer;
  call: string;
  count: number;
  rounds: number;
}): Promise<BenchCase['speed']> {
  const { ours, theirs, call, count, rounds } = request;
  const run = (peer: Peer) => async () => [(await peer.ask<{ seconds: number }>({ do: 'time', call, count })).seconds];
  const sides = { ours: run(ours), theirs: run(theirs) };
  await sides.ours();
  await sides.theirs();
  const { ratio, ours: oursSeconds, theirs: theirsSeconds } = await measurePaired({ rounds, ...sides });
  return { ratio: ratio.median, spread: ratio, oursSeconds, theirsSeconds };
}

/** The report as lines for a terminal. */
export function renderOverhead({ threads, rounds, cases }: OverheadReport): string {
  const lines = [`calls on which there is nothing to compute; ${threads} threads, ${rounds} rounds, A B A B`];
  const us = (seconds: number) => (seconds * 1e6).toFixed(2);
  const span = ({ median, min, max }: Spread) => `${us(median)} us (${us(min)}-${us(max)})`;
  for (const { name, speed, targetSeconds, library, torch } of cases) {
    const met = speed.oursSeconds.median <= (targetSeconds ?? 0) ? 'met' : 'missed';
    const target = targetSeconds === undefined ? '' : `  target ${us(targetSeconds)} us: ${met}`;
    lines.push(
      `${name.padEnd(20)} ours ${span(speed.oursSeconds)}  PyTorch from Python ${span(speed.theirsSeconds)}` +
        `${target}  [${library} / PyTorch ${torch}]`,
    );
  }
  return lines.join('\n');
}
