/**
 * Which source gives draw n, and how many it gave before: a pure function of rates, limits and random keys, found without walking
 * over what came before. Draws stand in blocks; every line has its exact share of them up to each block, within a few draws, and the
 * draws of a block are shuffled.
 */

import { permutation, type RandomStream } from '../core/rng.ts';
import { type Apportionment, apportion } from './apportion.ts';

/** Draws of a block. */
const BLOCK = 64;

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

export interface MixtureLine {
  /** How often it is drawn, relative to the other lines. */
  rate: number;
  /** Units that a draw gives, such as the samples of one image; default 1. */
  size?: number;
  /** Most draws; afterwards its share goes to the others at their rates. Default: no limit. */
  limit?: number;
}

export interface Mixture {
  /** Draws until every line is at its limit, and the units that they give; infinite where a line has none. */
  readonly draws: number;
  readonly units: number;
  /** The line of draw n, n = 0, 1, ... below `draws`. */
  ticket(draw: number): Ticket;
  /** The draw that unit n comes from, n = 0, 1, ... below `units`: draws give their units one behind the other. */
  seat(unit: number): Seat;
  /** Units of each line among the first so many draws. */
  ofDraws(draws: number): number[];
  /** Units of each line among the first so many units. */
  ofUnits(units: number): number[];
}

/** A stretch of draws in which the same lines are drawn: it ends where one of them reaches its limit. */
interface Phase {
  number: number;
  /** The draws and units before it, in all and of each line. */
  start: { draws: number; units: number; counts: readonly number[] };
  /** Of its first n draws, those of each line of the mixture. */
  counts: Apportionment;
  draws: number;
  units: number;
}

interface Block {
  phase: Phase;
  /** Draws and units before it. */
  start: { draws: number; units: number };
  draws: number;
  units: number;
  /** Draws of each line before it. */
  counts: readonly number[];
  /** Line of each draw of the block. */
  lines: Uint16Array;
  /** Draws of the block before it that fell on the same line. */
  ranks: Uint16Array;
  /** Units of the block up to and with each draw. */
  ends: Float64Array;
}

/** What everything below shares. */
interface Setting {
  lines: readonly Required<MixtureLine>[];
  random: RandomStream;
}

/**
 * Mixes lines at their rates.
 * @param random its keys choose the order
 * @throws RangeError for no lines, a rate that is not above 0 and finite, a size or limit that is no count
 */
export function createMixture(given: readonly MixtureLine[], random: RandomStream): Mixture {
  const lines = given.map(({ rate, size = 1, limit = Number.POSITIVE_INFINITY }) => ({ rate, size, limit }));
  checkLines(lines);
  const setting: Setting = { lines, random };
  const phases = [phaseAfter(undefined, setting) as Phase];
  const phaseOf = (inside: (phase: Phase) => boolean): Phase => {
    for (let number = 0; ; number++) {
      const phase = phases[number] ?? phaseAfter(phases[number - 1], setting);
      if (phase === undefined) throw new RangeError('every line of the mixture is at its limit');
      phases[number] = phase;
      if (inside(phase)) return phase;
    }
  };
  let current: Block | undefined;
  const blockAt = (draw: number): Block => {
    if (current !== undefined && within(draw, current.start.draws, current.draws)) return current;
    const phase = phaseOf(({ start, draws }) => draw < start.draws + draws);
    current = makeBlock(phase, Math.floor((draw - phase.start.draws) / BLOCK), setting);
    return current;
  };
  const blockOfUnit = (unit: number): Block => {
    if (current !== undefined && within(unit, current.start.units, current.units)) return current;
    const phase = phaseOf(({ start, units }) => unit < start.units + units);
    current = makeBlock(phase, blockNumber(phase, unit - phase.start.units, setting), setting);
    return current;
  };
  const all = lines.reduce((sum, { limit }) => sum + limit, 0);
  return {
    draws: all,
    units: lines.reduce((sum, { limit, size }) => sum + limit * size, 0),
    ticket: (draw) => {
      const block = blockAt(draw);
      return ticketOf(block, draw - block.start.draws);
    },
    seat: (unit) => {
      const block = blockOfUnit(unit);
      const place = unit - block.start.units;
      const draw = firstAbove(block.draws, (at) => (block.ends[at] as number) > place);
      return { ...ticketOf(block, draw), offset: place - (block.ends[draw - 1] ?? 0) };
    },
    ofDraws: (draws) => (draws === 0 ? lines.map(() => 0) : unitsUpTo(blockAt(draws - 1), draws, lines)),
    ofUnits: (units) => {
      if (units === 0) return lines.map(() => 0);
      const block = blockOfUnit(units - 1);
      const last = firstAbove(block.draws, (at) => (block.ends[at] as number) >= units - block.start.units);
      const given = unitsUpTo(block, block.start.draws + last + 1, lines);
      const line = block.lines[last] as number;
      given[line] = (given[line] as number) - (block.start.units + (block.ends[last] as number) - units);
      return given;
    },
  };
}

function checkLines(lines: readonly Required<MixtureLine>[]): void {
  if (lines.length === 0) throw new RangeError('a mixture needs at least one line');
  for (const { rate, size, limit } of lines) {
    if (!(rate > 0 && Number.isFinite(rate))) throw new RangeError(`a rate must be above 0, found ${rate}`);
    if (!(Number.isSafeInteger(size) && size > 0)) throw new RangeError(`a size must be 1 or more, found ${size}`);
    const counted = limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit > 0);
    if (!counted) throw new RangeError(`a limit must be 1 or more, found ${limit}`);
  }
}

function within(place: number, start: number, size: number): boolean {
  return place >= start && place < start + size;
}

function ticketOf({ lines, ranks, counts }: Block, draw: number): Ticket {
  const line = lines[draw] as number;
  return { line, position: (counts[line] as number) + (ranks[draw] as number) };
}

/** The first phase, or the one behind another; none when every line is at its limit. */
function phaseAfter(before: Phase | undefined, { lines, random }: Setting): Phase | undefined {
  const counts = before === undefined ? lines.map(() => 0) : sum(before.start.counts, before.counts(before.draws));
  const left = lines.map(({ limit }, line) => limit - (counts[line] as number));
  const active = [...lines.keys()].filter((line) => (left[line] as number) > 0);
  if (active.length === 0) return undefined;
  const number = before === undefined ? 0 : before.number + 1;
  const share = apportion(
    active.map((line) => (lines[line] as MixtureLine).rate),
    random.child(-1, number),
  );
  const countsOf: Apportionment = (n) => {
    const own = lines.map(() => 0);
    for (const [place, count] of share(n).entries()) own[active[place] as number] = count;
    return own;
  };
  const draws = firstLimit(countsOf, left, lines);
  return {
    number,
    start: {
      draws: before === undefined ? 0 : before.start.draws + before.draws,
      units: before === undefined ? 0 : before.start.units + before.units,
      counts,
    },
    counts: countsOf,
    draws,
    units: draws === Number.POSITIVE_INFINITY ? draws : unitsOf(countsOf(draws), lines),
  };
}

/** After how many draws the first line has none left. */
function firstLimit(counts: Apportionment, left: readonly number[], lines: readonly MixtureLine[]): number {
  const rates = lines.reduce((sum, { rate }, line) => sum + ((left[line] as number) > 0 ? rate : 0), 0);
  const about = Math.min(
    ...lines.map(({ rate }, line) => ((left[line] as number) > 0 ? ((left[line] as number) * rates) / rate : Infinity)),
  );
  if (!Number.isFinite(about)) return about;
  const ends = (draws: number): boolean =>
    counts(draws).some((count, line) => (left[line] as number) > 0 && count >= (left[line] as number));
  // Shares hold to within a few draws, so the end is near the estimate.
  let high = Math.ceil(about);
  let step = 1;
  while (!ends(high)) {
    high += step;
    step *= 2;
  }
  let low = Math.max(0, high - step);
  while (low > 0 && ends(low)) {
    low = Math.max(0, low - step);
    step *= 2;
  }
  return low + 1 + firstAbove(high - low - 1, (more) => ends(low + 1 + more));
}

/** The block of a phase that holds one of its units. */
function blockNumber(phase: Phase, unit: number, { lines }: Setting): number {
  const before = (block: number): number => unitsOf(phase.counts(Math.min(block * BLOCK, phase.draws)), lines);
  // Shares hold to within a few draws, so the block is near the one of the first guess.
  const some = 2 ** 20;
  const perDraw = unitsOf(phase.counts(some), lines) / some;
  let number = Math.floor(unit / perDraw / BLOCK);
  while (number > 0 && before(number) > unit) number--;
  while (before(number + 1) <= unit) number++;
  return number;
}

function makeBlock(phase: Phase, number: number, { lines, random }: Setting): Block {
  const first = number * BLOCK;
  const draws = Math.min(BLOCK, phase.draws - first);
  const before = phase.counts(first);
  const own = phase.counts(first + draws).map((count, line) => count - (before[line] as number));
  const sorted = new Uint16Array(draws);
  let filled = 0;
  for (const [line, count] of own.entries()) {
    sorted.fill(line, filled, filled + count);
    filled += count;
  }
  const keys = phase.number === 0 ? [number] : [number, phase.number];
  const order = permutation(draws, random.child(...keys));
  const block = { lines: new Uint16Array(draws), ranks: new Uint16Array(draws), ends: new Float64Array(draws) };
  const seen = lines.map(() => 0);
  let units = 0;
  for (let draw = 0; draw < draws; draw++) {
    const line = sorted[order(draw)] as number;
    block.lines[draw] = line;
    block.ranks[draw] = seen[line] as number;
    seen[line] = (seen[line] as number) + 1;
    units += (lines[line] as Required<MixtureLine>).size;
    block.ends[draw] = units;
  }
  const start = { draws: phase.start.draws + first, units: phase.start.units + unitsOf(before, lines) };
  return { ...block, phase, start, draws, units, counts: sum(phase.start.counts, before) };
}

/** Units of each line among the first draws, of which the last is in the block. */
function unitsUpTo(block: Block, draws: number, lines: readonly Required<MixtureLine>[]): number[] {
  const counts = [...block.counts];
  for (const line of block.lines.subarray(0, draws - block.start.draws)) counts[line] = (counts[line] as number) + 1;
  return counts.map((count, line) => count * (lines[line] as Required<MixtureLine>).size);
}

function unitsOf(counts: readonly number[], lines: readonly MixtureLine[]): number {
  return counts.reduce((all, count, line) => all + count * ((lines[line] as MixtureLine).size ?? 1), 0);
}

function sum(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, place) => value + (b[place] as number));
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
