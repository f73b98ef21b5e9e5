/** The order of training data: a pure function of the sources, the seed and the step. Nothing is stored, so resume is free. */

import { keyOfText, permuted, randomStream } from '../core/rng.ts';
import { createMixture } from './mixture.ts';
import type { Pick } from './task.ts';

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
  /** The samples of a step, in order. */
  step(step: number): SampleRef[];
  /** Draws wordings for a place; each call starts the same draws again. */
  pick(ref: SampleRef): Pick;
  /** Another sample of the same line, for a place whose sample cannot be used. */
  replacement(ref: SampleRef, attempt: number): SampleRef;
  /** Planned share of the samples that each line gives, 0..1. */
  readonly shares: readonly number[];
}

/** Keys that keep the streams of different uses apart. */
const USE = { mixture: 1, order: 2, pick: 3, replacement: 4 } as const;

/**
 * The order of a mixture.
 * @throws RangeError for a line without samples or of a length that is no multiple of its group, a missing batch size or rates that
 *   are not positive
 */
export function createStream({ lines, seed, unit = 'sample', globalBatch }: StreamOptions): SampleStream {
  for (const [place, line] of lines.entries()) {
    checkCount(line.length, `length of line ${place}`);
    checkCount(groupOf(line), `group of line ${place}`);
    checkCount(line.length / groupOf(line), `length of line ${place} in groups of ${groupOf(line)}`);
    if (unit === 'batch') checkCount(line.batch, `batch of line ${place}`);
  }
  if (unit === 'sample') checkCount(globalBatch, 'globalBatch');
  const keys = lines.map((line) => keyOfText(line.fingerprint));
  const mixture = createMixture(
    // A draw gives a whole group, so a line with larger groups is drawn less often: rates count samples.
    lines.map((line) => (unit === 'sample' ? line.rate / groupOf(line) : line.rate)),
    randomStream(seed, USE.mixture, ...keys),
    lines.map(groupOf),
  );
  const refOf = (line: number, position: number): SampleRef => {
    const { length, inOrder, ...rest } = lines[line] as StreamLine;
    const size = groupOf(rest);
    const epoch = Math.floor(position / length);
    const order = randomStream(seed, USE.order, line, keys[line] as number, epoch);
    const place = Math.floor((position % length) / size);
    const group = inOrder === true ? place : permuted(place, length / size, order);
    return { line, position, epoch, index: group * size + (position % size) };
  };
  return {
    shares: sharesOf(lines.map((line) => line.rate * (unit === 'batch' ? (line.batch as number) : 1))),
    step(step) {
      if (!(Number.isSafeInteger(step) && step >= 0)) throw new RangeError(`step must be 0 or more, found ${step}`);
      if (unit === 'batch') {
        const { line, position } = mixture.ticket(step);
        const { batch } = lines[line] as Required<StreamLine>;
        return Array.from({ length: batch }, (_, slot) => refOf(line, position * batch + slot));
      }
      const size = globalBatch as number;
      return Array.from({ length: size }, (_, slot) => {
        const { line, position, offset } = mixture.seat(step * size + slot);
        return refOf(line, position * groupOf(lines[line] as StreamLine) + offset);
      });
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

function groupOf({ group = 1 }: { group?: number }): number {
  return group;
}

function sharesOf(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function checkCount(value: number | undefined, name: string): void {
  if (!(Number.isSafeInteger(value) && (value as number) > 0))
    throw new RangeError(`${name} must be 1 or more, found ${value}`);
}
