/**
 * Which source gives draw n, and how many it gave before: a pure function of rates and random keys, so that nothing needs to be
 * remembered to go on from any draw. Systematic sampling within blocks: every source has its exact share of each block, up to one
 * draw, and draws of different sources are shuffled within it.
 */

import { permuted, type RandomStream } from '../core/rng.ts';

/** Draws of a block. */
const BLOCK = 1024;

/** Where a draw falls. */
export interface Ticket {
  /** Index of the line of the mixture. */
  line: number;
  /** Draws of this line before this one. */
  position: number;
}

/** Where one of the units that draws give falls. */
export interface Seat extends Ticket {
  /** Place of the unit within its draw. */
  offset: number;
}

export interface Mixture {
  /** Planned share of each line, 0..1 of the draws. */
  readonly shares: readonly number[];
  /** The line of draw n, n = 0, 1, ... */
  ticket(draw: number): Ticket;
  /** The draw that unit n comes from, n = 0, 1, ...: draws give their units one behind the other. */
  seat(unit: number): Seat;
}

interface Block {
  /** Line of each draw of the block. */
  lines: Uint16Array;
  /** Draws of the block before it that fell on the same line. */
  ranks: Uint16Array;
  /** Units of the block up to and with each draw. */
  ends: Float64Array;
}

/**
 * Mixes lines at their rates.
 * @param rates one for each line, relative to each other: how often it is drawn
 * @param random its keys choose the order
 * @param sizes units that a draw of each line gives, such as the samples of one image; default 1
 * @throws RangeError for no rates, or one that is not above 0 and finite
 */
export function createMixture(
  rates: readonly number[],
  random: RandomStream,
  sizes: readonly number[] = rates.map(() => 1),
): Mixture {
  if (rates.length === 0) throw new RangeError('a mixture needs at least one line');
  for (const rate of rates) {
    if (!(rate > 0 && Number.isFinite(rate))) throw new RangeError(`a rate must be above 0, found ${rate}`);
  }
  const bounds = cumulativeShares(rates);
  /** Draws of each line before block b, and the units that they give. */
  const before: { counts: number[]; units: number }[] = [{ counts: rates.map(() => 0), units: 0 }];
  let current: { number: number; block: Block } | undefined;
  const startOf = (number: number): { counts: number[]; units: number } => {
    for (let b = before.length; b <= number; b++) {
      const { counts, units } = before[b - 1] as { counts: number[]; units: number };
      const own = blockCounts(bounds, offsetOf(random, b - 1));
      before.push({
        counts: counts.map((count, line) => count + (own[line] ?? 0)),
        units: own.reduce((sum, count, line) => sum + count * (sizes[line] ?? 1), units),
      });
    }
    return before[number] as { counts: number[]; units: number };
  };
  const blockAt = (number: number): Block => {
    if (current?.number !== number) current = { number, block: makeBlock({ bounds, random, number, sizes }) };
    return current.block;
  };
  const ticket = (draw: number): Ticket => {
    const number = Math.floor(draw / BLOCK);
    const { lines, ranks } = blockAt(number);
    const line = lines[draw % BLOCK] ?? 0;
    return { line, position: (startOf(number).counts[line] ?? 0) + (ranks[draw % BLOCK] ?? 0) };
  };
  return {
    shares: bounds.map((bound, line) => bound - (bounds[line - 1] ?? 0)),
    ticket,
    seat(unit) {
      while (startOf(before.length - 1).units <= unit) startOf(before.length);
      const number = firstAbove(before.length, (b) => startOf(b).units > unit) - 1;
      const { ends } = blockAt(number);
      const within = unit - startOf(number).units;
      const draw = firstAbove(BLOCK, (place) => (ends[place] ?? 0) > within);
      return { ...ticket(number * BLOCK + draw), offset: within - (ends[draw - 1] ?? 0) };
    },
  };
}

/** The first of 0..count-1 for which a condition holds that stays true once it is; count when there is none. */
function firstAbove(count: number, holds: (place: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Upper bounds of the lines' intervals in 0..1. */
function cumulativeShares(rates: readonly number[]): number[] {
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  let sum = 0;
  const bounds = rates.map((rate) => {
    sum += rate;
    return sum / total;
  });
  bounds[bounds.length - 1] = 1;
  return bounds;
}

/** A block's points lie one in each of BLOCK equal cells of 0..1, all at this place of their cell. */
function offsetOf(random: RandomStream, number: number): number {
  return random.uniform(number);
}

function makeBlock({
  bounds,
  random,
  number,
  sizes,
}: {
  bounds: readonly number[];
  random: RandomStream;
  number: number;
  sizes: readonly number[];
}): Block {
  const offset = offsetOf(random, number);
  const order = random.child(number);
  const block: Block = {
    lines: new Uint16Array(BLOCK),
    ranks: new Uint16Array(BLOCK),
    ends: new Float64Array(BLOCK),
  };
  const seen = bounds.map(() => 0);
  let units = 0;
  for (let draw = 0; draw < BLOCK; draw++) {
    const point = (permuted(draw, BLOCK, order) + offset) / BLOCK;
    const line = bounds.findIndex((bound) => point < bound);
    block.lines[draw] = line;
    block.ranks[draw] = seen[line] ?? 0;
    seen[line] = (seen[line] ?? 0) + 1;
    units += sizes[line] ?? 1;
    block.ends[draw] = units;
  }
  return block;
}

/** Draws of each line in a whole block, without building it. */
function blockCounts(bounds: readonly number[], offset: number): number[] {
  const below = (bound: number | undefined): number => {
    if (bound === undefined) return 0;
    let points = Math.max(0, Math.min(BLOCK, Math.ceil(bound * BLOCK - offset)));
    // Rounding may put the estimate one off from the comparison that makeBlock does.
    while (points > 0 && (points - 1 + offset) / BLOCK >= bound) points--;
    while (points < BLOCK && (points + offset) / BLOCK < bound) points++;
    return points;
  };
  return bounds.map((bound, line) => below(bound) - below(bounds[line - 1]));
}
