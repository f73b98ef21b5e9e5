/**
 * How many of the first n draws each line gets: exact shares in closed form. A tree with the lines as leaves splits the draws that
 * reach a node between its two sides, `floor(n * left / both + offset)` to the left. Every draw more goes to exactly one line, and a
 * line is never more than a few draws off its share, however large n is.
 */

import type { RandomStream } from '../core/rng.ts';

/** Draws of each line among the first n. */
export type Apportionment = (n: number) => number[];

/** Weights are whole numbers of this sum, so that no rounding adds up. */
const WHOLE = 2 ** 50;

/** A node whose draws go to two others; a side below 0 is the line -1 - side. */
interface Split {
  left: number;
  right: number;
  /** Share of the left side: weight / both. */
  weight: bigint;
  both: bigint;
  /** 0 <= offset < both: where the rounding falls. */
  offset: bigint;
}

/**
 * @param rates above 0 and finite, one for each line
 * @param random decides where the rounding falls
 */
export function apportion(rates: readonly number[], random: RandomStream): Apportionment {
  const splits = splitsOf(weightsOf(rates), random);
  return (n) => {
    const counts = rates.map(() => 0);
    const reached = splits.map(() => 0);
    const give = (side: number, draws: number): void => {
      if (side < 0) counts[-1 - side] = draws;
      else reached[side] = draws;
    };
    give(splits.length === 0 ? -1 : splits.length - 1, n);
    for (let node = splits.length - 1; node >= 0; node--) {
      const { left, right, weight, both, offset } = splits[node] as Split;
      const draws = reached[node] as number;
      const leftDraws = Number((BigInt(draws) * weight + offset) / both);
      give(left, leftDraws);
      give(right, draws - leftDraws);
    }
    return counts;
  };
}

function weightsOf(rates: readonly number[]): bigint[] {
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  return rates.map((rate) => BigInt(Math.max(1, Math.round((rate / total) * WHOLE))));
}

/** Joins the two lightest again and again, so that the rounding of a node weighs little in those below it; the last node is the root. */
function splitsOf(weights: readonly bigint[], random: RandomStream): Split[] {
  const splits: Split[] = [];
  const open = weights.map((weight, line) => ({ weight, side: -1 - line }));
  const lighter = (a: { weight: bigint }, b: { weight: bigint }): number => (a.weight < b.weight ? -1 : 1);
  open.sort((a, b) => (a.weight === b.weight ? b.side - a.side : lighter(a, b)));
  while (open.length > 1) {
    const [left, right] = open.splice(0, 2) as [(typeof open)[number], (typeof open)[number]];
    const both = left.weight + right.weight;
    const offset = (BigInt(random.uint32(splits.length)) * both) >> 32n;
    const joined = { weight: both, side: splits.length };
    splits.push({ left: left.side, right: right.side, weight: left.weight, both, offset });
    const place = open.findIndex(({ weight }) => weight > both);
    open.splice(place < 0 ? open.length : place, 0, joined);
  }
  return splits;
}
