/** A figure never stands alone: it comes with the number of questions behind it and a 95 % interval. */

import { randomStream } from '../../core/rng.ts';

/** A measured figure. */
export interface Estimate {
  value: number;
  /** Questions behind the figure; with none the value is 0 and the interval 0..1. */
  n: number;
  /** 95 % interval. */
  low: number;
  high: number;
}

/** True positives, false positives and false negatives of one question. */
export interface MatchCounts {
  readonly hits: number;
  readonly extra: number;
  readonly missed: number;
}

/** Quantile 0.975 of the standard normal distribution. */
const Z = 1.959963984540054;
const RESAMPLES = 1000;

/** A share with its Wilson score interval (Wilson 1927), which stays inside 0..1 and has width at 0 and 1 too. */
export function wilson(hits: number, n: number): Estimate {
  if (n === 0) return { value: 0, n, low: 0, high: 1 };
  const share = hits / n;
  const scale = 1 + Z ** 2 / n;
  const centre = (share + Z ** 2 / (2 * n)) / scale;
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  return {
    value: share,
    n,
    low: hits === 0 ? 0 : Math.max(0, centre - half),
    high: hits === n ? 1 : Math.min(1, centre + half),
  };
}

/**
 * A statistic of questions in 0..1 with its percentile bootstrap interval (Efron 1979). Where the questions fall into strata, each
 * is drawn from on its own. At exactly 0 or 1 every resample agrees, which is no certainty: there the Wilson interval stands in.
 * @param request sizes of the strata; `statistic` takes, for each stratum, the places drawn
 */
export function bootstrap(request: {
  sizes: readonly number[];
  statistic: (draws: readonly Int32Array[]) => number;
  seed: number;
}): Estimate {
  const { sizes, statistic, seed } = request;
  const n = sizes.reduce((sum, size) => sum + size, 0);
  if (n === 0) return wilson(0, 0);
  const draws = sizes.map((size) => Int32Array.from({ length: size }, (_, place) => place));
  const value = statistic(draws);
  if (value === 0 || value === 1) return { ...wilson(value * n, n), value };
  const values = new Float64Array(RESAMPLES);
  for (let resample = 0; resample < RESAMPLES; resample++) {
    for (const [stratum, drawn] of draws.entries()) {
      const stream = randomStream(seed, resample, stratum);
      for (let place = 0; place < drawn.length; place++) drawn[place] = stream.integer(place, drawn.length);
    }
    values[resample] = statistic(draws);
  }
  values.sort();
  return { value, n, low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** The mean of values in 0..1, one a question, with its bootstrap interval. */
export function meanEstimate(values: readonly number[], seed: number): Estimate {
  const statistic = ([draws]: readonly Int32Array[]): number => {
    let sum = 0;
    for (const place of draws as Int32Array) sum += values[place] as number;
    return sum / values.length;
  };
  return bootstrap({ sizes: [values.length], statistic, seed });
}

/** F1 over all questions together (micro-averaged), with an interval from resampling whole questions. */
export function f1Estimate(counts: readonly MatchCounts[], seed: number): Estimate {
  const statistic = ([draws]: readonly Int32Array[]): number => {
    let hits = 0;
    let wrong = 0;
    for (const place of draws as Int32Array) {
      const count = counts[place] as MatchCounts;
      hits += count.hits;
      wrong += count.extra + count.missed;
    }
    return f1(hits, wrong);
  };
  return bootstrap({ sizes: [counts.length], statistic, seed });
}

/** F1 of counts; 1 where there was nothing to find and nothing was said. */
export function f1OfCounts(counts: readonly MatchCounts[]): number {
  let hits = 0;
  let wrong = 0;
  for (const count of counts) {
    hits += count.hits;
    wrong += count.extra + count.missed;
  }
  return f1(hits, wrong);
}

function f1(hits: number, wrong: number): number {
  return hits + wrong === 0 ? 1 : (2 * hits) / (2 * hits + wrong);
}

/** Linear interpolation between the two nearest of sorted values. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (place - below);
}
