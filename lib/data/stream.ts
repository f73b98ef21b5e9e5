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
  rate: number;
  /** Samples of one step when this line is drawn; only with unit `batch`. */
  batch?: number;
}

export interface StreamOptions {
  lines: readonly StreamLine[];
  seed: number;
  /** `sample`: every sample draws its source. `batch`: a step draws one source for all its samples, as the reference does. */
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
  /** Planned share of each line, in the unit of the mixture. */
  readonly shares: readonly number[];
}

/** Keys that keep the streams of different uses apart. */
const USE = { mixture: 1, order: 2, pick: 3, replacement: 4 } as const;

/**
 * The order of a mixture.
 * @throws RangeError for a line without samples, a missing batch size or rates that are not positive
 */
export function createStream({ lines, seed, unit = 'sample', globalBatch }: StreamOptions): SampleStream {
  for (const [place, line] of lines.entries()) {
    checkCount(line.length, `length of line ${place}`);
    if (unit === 'batch') checkCount(line.batch, `batch of line ${place}`);
  }
  if (unit === 'sample') checkCount(globalBatch, 'globalBatch');
  const keys = lines.map((line) => keyOfText(line.fingerprint));
  const mixture = createMixture(
    lines.map((line) => line.rate),
    randomStream(seed, USE.mixture, ...keys),
  );
  const refOf = (line: number, position: number): SampleRef => {
    const { length } = lines[line] as StreamLine;
    const epoch = Math.floor(position / length);
    const order = randomStream(seed, USE.order, line, keys[line] as number, epoch);
    return { line, position, epoch, index: permuted(position % length, length, order) };
  };
  return {
    shares: mixture.shares,
    step(step) {
      if (!(Number.isSafeInteger(step) && step >= 0)) throw new RangeError(`step must be 0 or more, found ${step}`);
      if (unit === 'batch') {
        const { line, position } = mixture.ticket(step);
        const { batch } = lines[line] as Required<StreamLine>;
        return Array.from({ length: batch }, (_, slot) => refOf(line, position * batch + slot));
      }
      const size = globalBatch as number;
      return Array.from({ length: size }, (_, slot) => {
        const { line, position } = mixture.ticket(step * size + slot);
        return refOf(line, position);
      });
    },
    pick(ref) {
      const random = randomStream(seed, USE.pick, ref.line, ref.position, ref.index);
      let draws = 0;
      return (bound) => random.integer(draws++, bound);
    },
    replacement(ref, attempt) {
      const random = randomStream(seed, USE.replacement, ref.line, ref.position);
      return { ...ref, index: random.integer(attempt, (lines[ref.line] as StreamLine).length) };
    },
  };
}

function checkCount(value: number | undefined, name: string): void {
  if (!(Number.isSafeInteger(value) && (value as number) > 0))
    throw new RangeError(`${name} must be 1 or more, found ${value}`);
}
