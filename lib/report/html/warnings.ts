/** What a reader should know of a run before believing its figures, from its events alone. */

import type { RunEvent, StepEvent } from '../events.ts';
import { fixed, percent } from './format.ts';
import type { ReportedRun } from './report.ts';
import { meanOf, type Point } from './series.ts';

/** A share of waiting for data above this costs more than it should. */
const MUCH_WAIT = 0.1;
/** Part of a run at its start and at its end over which losses are compared. */
const EDGE = 0.1;
/** A loss has risen where it ends by this part above its beginning, and by so many standard errors; less is noise. */
const RISE = 1.1;
const ERRORS = 4;
/** Steps that are named one by one. */
const NAMED = 5;

/** Sentences on one run. */
export function eventWarnings(run: Omit<ReportedRun, 'warnings'>): string[] {
  const { events, finished, step, steps, evaluation } = run;
  const done = events.filter((event) => event.event === 'step');
  return [
    ...(finished ? [] : [`it is not finished: step ${step} of ${steps}`]),
    ...skipped(events),
    ...goneOn(events),
    ...waiting(done),
    ...risen(done),
    ...(evaluation !== undefined && evaluation.step !== step
      ? [`the figures are those of step ${evaluation.step}, not of the last step ${step}`]
      : []),
  ];
}

function skipped(events: readonly RunEvent[]): string[] {
  const left = events.filter((event) => event.event === 'skip');
  if (left.length === 0) return [];
  const named = left.slice(0, NAMED).map(({ step, fault, dump }) => `step ${step} (${fault}, ${dump})`);
  const more = left.length > NAMED ? ` and ${left.length - NAMED} more` : '';
  return [`updates were left out, since a number was not finite: ${named.join(', ')}${more}`];
}

function goneOn(events: readonly RunEvent[]): string[] {
  const again = events.filter((event) => event.event === 'start' && event.resumed);
  if (again.length === 0) return [];
  return [`it was interrupted and went on after step ${again.map(({ step }) => step).join(', ')}`];
}

function waiting(steps: readonly StepEvent[]): string[] {
  const seconds = steps.reduce((sum, event) => sum + event.seconds, 0);
  const waited = steps.reduce((sum, event) => sum + event.dataWait * event.seconds, 0);
  if (!(seconds > 0 && waited > MUCH_WAIT * seconds)) return [];
  return [`${percent(waited / seconds)} of its time went into waiting for data`];
}

/** Tasks whose loss ended higher than it began. */
function risen(steps: readonly StepEvent[]): string[] {
  const edge = Math.ceil(steps.length * EDGE);
  const names = new Set(steps.flatMap(({ tasks }) => Object.keys(tasks)));
  return [...names].flatMap((name) => {
    const points = steps.flatMap(({ step, tasks }) => {
      const own = tasks[name];
      return own === undefined || own.tokens === 0 ? [] : [{ x: step, y: own.loss }];
    });
    if (points.length < 2 * edge || edge < 2) return [];
    const [start, end] = [points.slice(0, edge), points.slice(-edge)];
    const [first, last] = [meanOf(start), meanOf(end)];
    const error = Math.sqrt(varianceOf(start) / start.length + varianceOf(end) / end.length);
    return last > Math.max(RISE * first, first + ERRORS * error)
      ? [`the loss of ${name} rose from ${fixed(first)} to ${fixed(last)}`]
      : [];
  });
}

function varianceOf(points: readonly Point[]): number {
  const mean = meanOf(points);
  return points.reduce((sum, { y }) => sum + (y - mean) ** 2, 0) / Math.max(1, points.length - 1);
}
