/** Reads the steps that an inspection shows, by the loader that training reads from. */

import type { BadSample } from '../../data/ledger.ts';
import type { LoadedBatch } from '../../data/loaded-batch.ts';
import type { Example, Sample } from '../../data/sample.ts';
import type { SampleStream } from '../../data/stream.ts';
import { type OpenData, openLoader } from '../data.ts';
import { modelConfigOf } from '../model-config.ts';

/** How many samples are wanted of some lines together, the first ones that the run draws. */
export interface Want {
  /** Places from 0; no line stands in two wants. */
  lines: readonly number[];
  samples: number;
}

export interface Drawing {
  /** Steps that hold the wanted samples, ascending. */
  steps: readonly number[];
  /** Samples of each line in all steps of the run. */
  counts: readonly number[];
  /** In the steps that were read so far. */
  replaced: readonly BadSample[];
  batch(step: number): Promise<LoadedBatch>;
  /** What an example was made from. */
  sampleOf(example: Example): Promise<Sample>;
  close(): Promise<void>;
}

/**
 * Opens the loader of a run and finds the steps that hold what is wanted; nothing is read yet.
 * @param options first: step to begin with, from 0
 */
export function openDrawing(data: OpenData, { wants, first }: { wants: readonly Want[]; first: number }): Drawing {
  const { config } = data;
  const replaced: BadSample[] = [];
  const loader = openLoader({
    config,
    model: modelConfigOf(config),
    // A run that would stop for its bad samples is one to look at.
    data: { ...data, lines: data.lines.map((line) => ({ ...line, badShare: 1 })) },
    onBadSamples: (entries) => void replaced.push(...entries),
    prefetch: 0,
  });
  const { stream } = loader;
  const end = Math.min(config.train.steps, stream.steps);
  return {
    steps: wantedSteps(stream, { wants, first, end }),
    counts: stream.counts(end),
    replaced,
    batch: (step) => loader.batch(step),
    sampleOf: (example) => sampleOf(example, { data, stream }),
    close: () => loader.close(),
  };
}

/** The steps that hold the first wanted samples from a step on; fewer samples are found where the run ends before. */
export function wantedSteps(
  stream: Pick<SampleStream, 'counts' | 'step'>,
  { wants, first, end }: { wants: readonly Want[]; first: number; end: number },
): number[] {
  const steps = new Set<number>();
  for (const { lines, samples } of wants) {
    let left = samples;
    for (let step = first; left > 0; step++) {
      step = nextStep(stream, { lines, from: step, end });
      if (step >= end) break;
      steps.add(step);
      left -= stream.step(step).filter(({ line }) => lines.includes(line)).length;
    }
  }
  return [...steps].sort((a, b) => a - b);
}

/** The first step from a given one on in which some lines are drawn; `end` where there is none before it. */
function nextStep(
  stream: Pick<SampleStream, 'counts'>,
  { lines, from, end }: { lines: readonly number[]; from: number; end: number },
): number {
  const before = (step: number): number => {
    const counts = stream.counts(step);
    return lines.reduce((sum, line) => sum + (counts[line] ?? 0), 0);
  };
  if (from >= end || before(end) === before(from)) return end;
  const base = before(from);
  let ahead = 1;
  while (from + ahead < end && before(from + ahead) === base) ahead *= 2;
  let [low, high] = [from + Math.floor(ahead / 2), Math.min(from + ahead, end)];
  // Before `low` nothing came, before `high` something did.
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (before(middle) === base) low = middle;
    else high = middle;
  }
  return high - 1;
}

async function sampleOf(example: Example, { data, stream }: { data: OpenData; stream: SampleStream }): Promise<Sample> {
  const { line = 0, drawn } = example;
  const source = data.lines[line]?.source;
  if (source === undefined || drawn === undefined) throw new RangeError(`${example.id} was not drawn by this loader`);
  return source.get(drawn.index, stream.pick({ line, ...drawn }));
}
