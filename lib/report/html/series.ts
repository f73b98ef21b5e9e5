/** From the events of runs to the points of charts: put one after another, thinned, smoothed. */

import type { RunEvent, StepEvent } from '../events.ts';
import type { ReportedRun } from './report.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The points of one run within a series; lines do not run from one to the next. */
export type Segment = readonly Point[];

/** One run of a chain on the common axis of steps. */
export interface Stretch {
  readonly name: string;
  /** Steps of the runs before it. */
  readonly offset: number;
  readonly steps: number;
  readonly events: readonly RunEvent[];
}

/** Puts runs one after another. */
export function stretchesOf(runs: readonly ReportedRun[]): Stretch[] {
  let offset = 0;
  return runs.map(({ name, events, step }) => {
    const stretch = { name, offset, steps: step, events };
    offset += step;
    return stretch;
  });
}

/**
 * One number of every step.
 * @param numberOf undefined where a step has none; numbers that are not finite are left out too
 */
export function stepSeries(
  stretches: readonly Stretch[],
  numberOf: (event: StepEvent) => number | undefined,
): Segment[] {
  return stretches.map(({ offset, events }) =>
    events.flatMap((event) => {
      const y = event.event === 'step' ? numberOf(event) : undefined;
      return y === undefined || !Number.isFinite(y) ? [] : [{ x: offset + event.step, y }];
    }),
  );
}

/** Names of the tasks that any step has a loss of, in the order in which they are met. */
export function tasksOf(stretches: readonly Stretch[]): string[] {
  const names = new Set<string>();
  for (const { events } of stretches)
    for (const event of events)
      if (event.event === 'step')
        for (const [name, { tokens }] of Object.entries(event.tasks)) if (tokens > 0) names.add(name);
  return [...names];
}

/**
 * Means of neighbouring points, so that a segment has at most as many as a chart can show; the last point of each bucket gives its place.
 * @param most at least 1
 */
export function thinned(segment: Segment, most: number): Point[] {
  const size = Math.ceil(segment.length / most);
  if (size <= 1) return [...segment];
  const points: Point[] = [];
  for (let start = 0; start < segment.length; start += size) {
    const bucket = segment.slice(start, start + size);
    points.push({ x: (bucket.at(-1) as Point).x, y: meanOf(bucket) });
  }
  return points;
}

/**
 * Means over a window around each point. At the start the window is narrow, so that a steep fall stays where it is; at the end it only
 * loses what is not there, so that the last values are as even as those before.
 * @param share width of the window as a share of the segment
 */
export function smoothed(segment: Segment, share: number): Point[] {
  const half = Math.floor((segment.length * share) / 2);
  const sums = [0];
  for (const { y } of segment) sums.push((sums.at(-1) as number) + y);
  return segment.map(({ x }, place) => {
    const reach = Math.min(half, Math.max(place, Math.ceil(half / 4)));
    const [from, to] = [Math.max(0, place - reach), Math.min(place + reach + 1, segment.length)];
    return { x, y: ((sums[to] as number) - (sums[from] as number)) / (to - from) };
  });
}

/** The mean height of points; 0 of none. */
export function meanOf(points: Segment): number {
  return points.reduce((sum, { y }) => sum + y, 0) / Math.max(1, points.length);
}
