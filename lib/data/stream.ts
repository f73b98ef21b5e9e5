/** The order of training data: a pure function of the sources, the seed and the step. Nothing is stored, so resume is free. */

import { TristageError } from '../core/errors.ts';
import { keyOfText, permuted, randomStream } from '../core/rng.ts';
import { createMixture } from './mixture.ts';
import type { Pick } from './task.ts';
import { windowOrder } from './windows.ts';

/** What the order must know of a source. */
export interface StreamLine {
  /** Number of samples. */
  length: number;
  /** Changes when the samples change. */
  fingerprint: string;
  /** With unit `sample` the share of samples, with unit `batch` the share of steps; relative to the other lines. */
  rate: number;
  /** Samples that are drawn together, such as all of one image: they stand in runs of this many, of which the length is a multiple. */
  group?: number;
  /** Samples of one step when this line is drawn; only with unit `batch`. */
  batch?: number;
  /** Groups come in their own order in every epoch; default: permuted anew. */
  inOrder?: boolean;
  /** How often each sample may come on average; afterwards the share of the line goes to the others. Default: no limit. */
  cap?: number;
  /** First sample of each shard, ascending from 0, where samples lie in shards that had best be read one behind the other. */
  shards?: readonly number[];
  /** Shards that are mixed with each other; default: all of them. Has no effect without `shards`. */
  window?: number;
}

export interface StreamOptions {
  lines: readonly StreamLine[];
  seed: number;
  /** `sample`: every sample, or group, draws its source. `batch`: a step draws one source for all its samples, as the reference does. */
  unit?: 'sample' | 'batch';
  /** Samples of a step; only with unit `sample`. */
  globalBatch?: number;
}

/** A place in the order. */
export interface SampleRef {
  line: number;
  /** Index within the source. */
  index: number;
  /** How many samples this line gave before; with `line` it names the draw. */
  position: number;
  epoch: number;
}

export interface SampleStream {
  /** How many steps there are; infinite unless every line has a cap. */
  readonly steps: number;
  /**
   * The samples of a step, in order.
   * @throws TristageError E_MIXTURE_END behind the last step
   */
  step(step: number): SampleRef[];
  /** How many samples each line gives in the first so many steps, at most `steps`. */
  counts(steps: number): number[];
  /** Draws wordings for a place; each call starts the same draws again. */
  pick(ref: SampleRef): Pick;
  /** Another sample of the same line, for a place whose sample cannot be used. */
  replacement(ref: SampleRef, attempt: number): SampleRef;
}

/** One of several processes that share the steps of a run. */
export interface Reader {
  /** From 0. */
  reader: number;
  readers: number;
}

/** Keys that keep the streams of different uses apart. */
const USE = { mixture: 1, order: 2, pick: 3, replacement: 4 } as const;

/**
 * What one of several readers takes of a step: a stretch of it, at most one sample longer than another's. The stretches of all
 * readers, one behind the other, are the step.
 * @returns the stretch, and the place of its first sample in the step
 * @throws RangeError for a reader that is none of the readers
 */
export function shareOf<T>(refs: readonly T[], { reader, readers }: Reader): { first: number; refs: T[] } {
  checkCount(readers, 'readers');
  if (!(Number.isSafeInteger(reader) && reader >= 0 && reader < readers))
    throw new RangeError(`reader must be one of 0 to ${readers - 1}, found ${reader}`);
  const first = Math.floor((refs.length * reader) / readers);
  return { first, refs: refs.slice(first, Math.floor((refs.length * (reader + 1)) / readers)) };
}

/**
 * The order of a mixture.
 * @throws TristageError E_MIXTURE_CAP for a cap below one draw; RangeError for a line without samples or of a length that is no
 *   multiple of its group, a missing batch size, or rates that are not positive
 */
export function createStream({ lines, seed, unit = 'sample', globalBatch }: StreamOptions): SampleStream {
  for (const [place, line] of lines.entries()) checkLine(line, { place, unit });
  if (unit === 'sample') checkCount(globalBatch, 'globalBatch');
  const keys = lines.map((line) => keyOfText(line.fingerprint));
  const mixture = createMixture(
    // A draw gives a whole group, so a line with larger groups is drawn less often: rates count samples.
    lines.map((line) => ({
      rate: unit === 'sample' ? line.rate / groupOf(line) : line.rate,
      size: sizeOfDraw(line, unit),
      ...(line.cap === undefined ? {} : { limit: limitOf(line, unit) }),
    })),
    randomStream(seed, USE.mixture, ...keys),
  );
  const orders = lines.map((line, place) => orderOf(line, { seed, place, key: keys[place] as number }));
  const refOf = (line: number, position: number): SampleRef => {
    const { length, ...rest } = lines[line] as StreamLine;
    const size = groupOf(rest);
    const epoch = Math.floor(position / length);
    const group = (orders[line] as Order)(epoch, Math.floor((position % length) / size));
    return { line, position, epoch, index: group * size + (position % size) };
  };
  const size = globalBatch as number;
  const steps = unit === 'batch' ? mixture.draws : Math.floor(mixture.units / size);
  return {
    steps,
    step(step) {
      if (!(Number.isSafeInteger(step) && step >= 0)) throw new RangeError(`step must be 0 or more, found ${step}`);
      if (step >= steps) throw mixtureEnds(steps, step + 1);
      if (unit === 'batch') {
        const { line, position } = mixture.ticket(step);
        const { batch } = lines[line] as Required<StreamLine>;
        return Array.from({ length: batch }, (_, slot) => refOf(line, position * batch + slot));
      }
      return Array.from({ length: size }, (_, slot) => {
        const { line, position, offset } = mixture.seat(step * size + slot);
        return refOf(line, position * groupOf(lines[line] as StreamLine) + offset);
      });
    },
    counts: (count) => {
      const asked = Math.min(count, steps);
      return unit === 'batch' ? mixture.ofDraws(asked) : mixture.ofUnits(asked * size);
    },
    pick(ref) {
      const random = randomStream(seed, USE.pick, ref.line, ref.position, ref.index);
      let draws = 0;
      return (bound) => random.integer(draws++, bound);
    },
    replacement(ref, attempt) {
      const random = randomStream(seed, USE.replacement, ref.line, ref.position);
      const { length, ...rest } = lines[ref.line] as StreamLine;
      // The same place of another group: the tasks of a group keep their shares.
      const size = groupOf(rest);
      return { ...ref, index: random.integer(attempt, length / size) * size + (ref.index % size) };
    },
  };
}

/** Which group comes at a place of an epoch. */
type Order = (epoch: number, place: number) => number;

function orderOf(line: StreamLine, { seed, place, key }: { seed: number; place: number; key: number }): Order {
  const groups = line.length / groupOf(line);
  if (line.inOrder === true) return (_, at) => at;
  const streamOf = (epoch: number) => randomStream(seed, USE.order, place, key, epoch);
  const starts = [...new Set((line.shards ?? []).map((start) => Math.floor(start / groupOf(line))))];
  const { window = starts.length } = line;
  if (starts.length <= window) return (epoch, at) => permuted(at, groups, streamOf(epoch));
  let current: { epoch: number; order: (at: number) => number } | undefined;
  return (epoch, at) => {
    if (current?.epoch !== epoch) {
      current = { epoch, order: windowOrder({ starts, length: groups, window }, streamOf(epoch)) };
    }
    return current.order(at);
  };
}

function groupOf({ group = 1 }: { group?: number }): number {
  return group;
}

function sizeOfDraw(line: StreamLine, unit: 'sample' | 'batch'): number {
  return unit === 'batch' ? (line.batch as number) : groupOf(line);
}

/** Whole draws within the cap. */
function limitOf(line: StreamLine, unit: 'sample' | 'batch'): number {
  return Math.floor(((line.cap as number) * line.length) / sizeOfDraw(line, unit));
}

function checkLine(line: StreamLine, { place, unit }: { place: number; unit: 'sample' | 'batch' }): void {
  checkCount(line.length, `length of line ${place}`);
  checkCount(groupOf(line), `group of line ${place}`);
  checkCount(line.length / groupOf(line), `length of line ${place} in groups of ${groupOf(line)}`);
  if (unit === 'batch') checkCount(line.batch, `batch of line ${place}`);
  if (line.cap !== undefined && limitOf(line, unit) < 1) throw capTooSmall(line, { place, unit });
  if (line.window !== undefined) checkCount(line.window, `window of line ${place}`);
  if (line.shards !== undefined && line.shards[0] !== 0) throw new RangeError(`shards of line ${place} begin at 0`);
}

function checkCount(value: number | undefined, name: string): void {
  if (!(Number.isSafeInteger(value) && (value as number) > 0))
    throw new RangeError(`${name} must be 1 or more, found ${value}`);
}

function capTooSmall(line: StreamLine, { place, unit }: { place: number; unit: 'sample' | 'batch' }): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_MIXTURE_CAP',
    message: 'the cap of a source leaves nothing to draw',
    where: `data.mixture.sources.${place}.cap`,
    found: `${line.cap} passes over ${line.length} samples`,
    expected: `room for the ${sizeOfDraw(line, unit)} samples of a draw`,
    fix: 'raise cap, or leave this source out',
  });
}

/** The error of a run that wants more samples than the caps of its sources allow. */
export function mixtureEnds(steps: number, wanted: number): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_MIXTURE_END',
    message: 'every source of the mixture is at its cap',
    where: 'data.mixture.sources',
    found: `samples for ${steps} steps`,
    expected: `samples for ${wanted} steps`,
    fix: 'raise cap, leave it out for one source, or lower train.steps',
  });
}
