/** `tristage bench order`: how long it takes to find a step far out in a large mixture, and how well windows of tars mix. */

import { once } from 'node:events';
import { randomStream } from '../../core/rng.ts';
import { createStream, type StreamLine, type StreamOptions } from '../../data/stream.ts';
import { type Mixing, measureMixing, windowOrder } from '../../data/windows.ts';
import { startThread } from '../../data/worker-thread.ts';
import { type FillRequest, fillLine, measureFills, type PackedRows } from './fill-case.ts';
import type { OrderTask } from './order-worker.ts';

/** Least, middle and most of some times, in milliseconds. */
export interface Milliseconds {
  least: number;
  median: number;
  most: number;
}

/** A step that was found. */
export interface FoundStep {
  name: string;
  /** Samples of all sources. */
  samples: number;
  sources: number;
  globalBatch: number;
  step: number;
  /** In threads that have run nothing before, so that nothing is compiled. */
  cold: Milliseconds;
  /** A new order each time, in a thread that has made some. */
  warm: Milliseconds;
  /** The step behind one that was found. */
  next: Milliseconds;
}

/** A window of tars that was measured over one epoch, beside a full shuffle of the same tars. */
export interface MeasuredWindow {
  name: string;
  shards: number;
  samplesOfShard: number;
  window: number;
  batch: number;
  windowed: Mixing;
  shuffled: Mixing;
}

export interface OrderReport {
  rounds: number;
  cases: (FoundStep | MeasuredWindow | PackedRows)[];
}

/** Twenty million samples in as many sources as the released stage 3, with groups of one to eight and four sources of tars. */
function largeMixture(): StreamOptions {
  const lines = Array.from({ length: 22 }, (_, place): StreamLine => {
    const group = 1 + (place % 8);
    const length = group * Math.ceil((810_000 + 10_000 * place) / group);
    const shards = Array.from({ length: Math.ceil(length / 10_000) }, (_, shard) => shard * 10_000);
    const tars = place < 4 ? { shards, window: 16 } : {};
    return { length, fingerprint: `source ${place}`, rate: 1 + 0.7 * place, group, ...tars };
  });
  return { lines, seed: 42, globalBatch: 64 };
}

const STEP = 1_000_000;

async function coldTime(task: OrderTask): Promise<number> {
  const worker = startThread(new URL('./order-worker.ts', import.meta.url), task);
  const [milliseconds] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  return milliseconds;
}

function timed(action: () => unknown): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

async function findStep(rounds: number): Promise<FoundStep> {
  const options = largeMixture();
  const [cold, warm, next]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    cold.push(await coldTime({ options, step: STEP }));
    const stream = createStream({ ...options, seed: round });
    warm.push(timed(() => createStream({ ...options, seed: round }).step(STEP)));
    stream.step(STEP);
    next.push(timed(() => stream.step(STEP + 1)));
  }
  return {
    name: 'order-20m',
    samples: options.lines.reduce((sum, { length }) => sum + length, 0),
    sources: options.lines.length,
    globalBatch: options.globalBatch ?? 0,
    step: STEP,
    cold: spread(cold),
    warm: spread(warm),
    next: spread(next),
  };
}

function spread(values: readonly number[]): Milliseconds {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] as number;
  return { least: at(0), median: at(0.5), most: at(1) };
}

function measureWindow(window: number): MeasuredWindow {
  const [shards, samplesOfShard, batch] = [256, 400, 64];
  const starts = Array.from({ length: shards }, (_, shard) => shard * samplesOfShard);
  const length = shards * samplesOfShard;
  const mixing = (own: number): Mixing => {
    const at = windowOrder({ starts, length, window: own }, randomStream(42, own));
    const order = Array.from({ length }, (_, place) => at(place));
    return measureMixing(order, { starts }, batch);
  };
  return {
    name: `window-${window}`,
    ...{ shards, samplesOfShard, window, batch, windowed: mixing(window), shuffled: mixing(shards) },
  };
}

/**
 * Times the order, measures its windows and how full packed rows are.
 * @param options rounds: how often each time is taken; packed: the runs whose rows are packed
 */
export async function benchOrder({
  rounds = 5,
  packed,
  log,
}: {
  rounds?: number;
  packed?: FillRequest;
  log?: (line: string) => void;
} = {}): Promise<OrderReport> {
  const report: OrderReport = { rounds, cases: [] };
  log?.('finding a step');
  report.cases.push(await findStep(rounds));
  for (const window of [4, 16, 64]) {
    log?.(`measuring a window of ${window} tars`);
    report.cases.push(measureWindow(window));
  }
  if (packed !== undefined) {
    log?.('packing rows');
    report.cases.push(...(await measureFills(packed)));
  }
  return report;
}

/** The report as lines for a terminal. */
export function renderOrder({ cases }: OrderReport): string {
  const lines = (one: OrderReport['cases'][number]): string[] =>
    'step' in one ? foundLines(one) : 'fill' in one ? [fillLine(one)] : windowLines(one);
  return cases.flatMap(lines).join('\n');
}

function foundLines({ samples, sources, step, globalBatch, cold, warm, next }: FoundStep): string[] {
  const text = ({ least, median, most }: Milliseconds): string =>
    `${median.toFixed(2)} ms (${least.toFixed(2)}-${most.toFixed(2)})`;
  const count = (value: number): string => value.toLocaleString('en-US');
  return [
    `step ${count(step)} of ${globalBatch} samples from ${sources} sources with ${count(samples)} samples:`,
    `  first of its process ${text(cold)}, of a new order ${text(warm)}, the step behind it ${text(next)}`,
  ];
}

function windowLines({ window, shards, batch, windowed, shuffled }: MeasuredWindow): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return [
    `window of ${window} of ${shards} tars: ${batch} samples come from ${windowed.shardsOfBatch.toFixed(1)} tars (full shuffle ${shuffled.shardsOfBatch.toFixed(1)}),`,
    `  neighbours from one tar ${percent(windowed.sameShard)} (${percent(shuffled.sameShard)}), open at a time ${windowed.openShards} (${shuffled.openShards})`,
  ];
}
