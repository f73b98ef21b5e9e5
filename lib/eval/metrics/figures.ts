/** Metrics by name, as a gate, a best checkpoint or an event asks for them. */

import { TristageError } from '../../core/errors.ts';
import type { Estimate } from './interval.ts';
import { type Metrics, SCORED_TASKS } from './summary.ts';

/** The plain mean of the tasks' figures. */
export const MEAN = 'mean';

/** Every figure of a model by name: tasks (`refer`), details (`vqa.count`) and `mean`; in the order in which they are shown. */
export function figuresOf({ tasks, details }: Metrics): Record<string, number> {
  const own = estimatesOf({ tasks, details });
  const values = Object.values(tasks).map(({ value }) => value);
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return { ...Object.fromEntries(own.map(([name, { value }]) => [name, value])), [MEAN]: mean };
}

/** The tasks' estimates, each followed by its details. */
export function estimatesOf({ tasks, details }: Metrics): [string, Estimate][] {
  return SCORED_TASKS.flatMap((task) => {
    const own = tasks[task];
    const more = Object.entries(details).filter(([name]) => name.startsWith(`${task}.`));
    return own === undefined ? more : [[task, own] as [string, Estimate], ...more];
  });
}

/** A figure that must be reached. */
export interface Requirement {
  readonly metric: string;
  readonly least: number;
}

/**
 * Reads `refer>=0.5`.
 * @throws TristageError E_REQUIRE (usage) for another form, an unknown task or a number outside 0..1
 */
export function parseRequirement(text: string): Requirement {
  const [, metric = '', number = ''] = /^\s*([A-Za-z][\w.-]*)\s*>=\s*(\d*\.?\d+(?:e-?\d+)?)\s*$/.exec(text) ?? [];
  const least = Number(number);
  const known = [...SCORED_TASKS, MEAN];
  const name = metric.split('.')[0] ?? '';
  if (number !== '' && least <= 1 && known.some((one) => one === name)) return { metric, least };
  throw new TristageError({
    kind: 'usage',
    code: 'E_REQUIRE',
    message: 'this requirement is not understood',
    found: text,
    expected: `metric>=number up to 1, the metric one of ${known.join(', ')}, or a detail such as vqa.count`,
  });
}

/**
 * Checks requirements; a figure that was not measured is not reached.
 * @returns an error of kind `gate` for each that is not met
 */
export function unmetRequirements(requirements: readonly Requirement[], metrics: Metrics): TristageError[] {
  const figures = figuresOf(metrics);
  return requirements
    .filter(({ metric, least }) => !((figures[metric] ?? Number.NaN) >= least))
    .map(({ metric, least }) => {
      const value = figures[metric];
      return new TristageError({
        kind: 'gate',
        code: 'E_GATE',
        message: `${metric} is below what is required`,
        where: metric,
        found: value === undefined ? `no such figure; there are ${Object.keys(figures).join(', ')}` : value.toFixed(3),
        expected: `at least ${least}`,
      });
    });
}
