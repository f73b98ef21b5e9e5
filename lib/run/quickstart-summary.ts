/** What a quickstart came to: summary.json, and the table for people. */

import type { Estimate } from '../eval/metrics/interval.ts';
import { type Metrics, SCORED_TASKS, type ScoredTask } from '../eval/metrics/summary.ts';
import type { RunSummary } from './run-folder.ts';

/** Whose answers stand beside those of the stages. */
export const QUICKSTART_CONTROLS = ['chance', 'untrained', 'shuffled'] as const;
type Control = (typeof QUICKSTART_CONTROLS)[number];

/** What is left of a stage when it has ended, so that a second call need not do it again. */
export interface FinishedStage {
  run: RunSummary;
  /** Seconds of training and evaluation, all that they open included. */
  seconds: number;
  metrics: Metrics;
  /** Those of the controls that were asked after this stage. */
  controls: Partial<Record<Control, Metrics>>;
}

/** The content of summary.json. */
export interface QuickstartSummary {
  engine: string;
  /** Seconds of everything before training: packages, build, engine. */
  setupSeconds: number;
  /** Seconds of training, evaluation and export. */
  wallSeconds: number;
  stages: Pick<RunSummary, 'name' | 'steps' | 'seconds' | 'samplesPerSecond' | 'lossFirst' | 'lossLast'>[];
  /** By who answered: the controls and each stage. */
  metrics: Record<string, Partial<Record<ScoredTask, Estimate>>>;
  /** The last stage in other formats, each with the largest difference of a logit after reading it back, and the time it took. */
  exports: { format: string; path: string; maxAbsLogitDiff: number; seconds: number }[];
}

/** @param request stages in their order; a control that several have counts from the last of them */
export function quickstartSummary(request: {
  engine: string;
  setupSeconds: number;
  stages: readonly FinishedStage[];
  exports: QuickstartSummary['exports'];
}): QuickstartSummary {
  const { engine, setupSeconds, stages, exports } = request;
  const controls = Object.assign({}, ...stages.map((stage) => stage.controls)) as FinishedStage['controls'];
  const asked = QUICKSTART_CONTROLS.flatMap((name) => {
    const metrics = controls[name];
    return metrics === undefined ? [] : [[name, metrics.tasks] as const];
  });
  return {
    engine,
    setupSeconds,
    wallSeconds: [...stages, ...exports].reduce((sum, { seconds }) => sum + seconds, 0),
    stages: stages.map(({ run: { name, steps, seconds, samplesPerSecond, lossFirst, lossLast } }) => ({
      name,
      steps,
      seconds,
      samplesPerSecond,
      lossFirst,
      lossLast,
    })),
    metrics: Object.fromEntries([...asked, ...stages.map(({ run, metrics }) => [run.name, metrics.tasks] as const)]),
    exports,
  };
}

/** The summary as a table: a line for each task, a column for everyone who answered. */
export function quickstartText(summary: QuickstartSummary): string {
  const { metrics, stages, engine, wallSeconds, exports } = summary;
  const names = Object.keys(metrics);
  const last = stages.at(-1)?.name ?? '';
  const rows = SCORED_TASKS.map((task) => {
    const best = metrics[last]?.[task];
    const interval = best === undefined ? '-' : `${best.low.toFixed(3)}-${best.high.toFixed(3)}`;
    return [
      task,
      ...names.map((name) => metrics[name]?.[task]?.value.toFixed(3) ?? '-'),
      interval,
      String(best?.n ?? 0),
    ];
  });
  const lines = [['task', ...names, '95 %', 'n'], ...rows];
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const table = lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const steps = stages.map(({ name, steps: done, lossFirst, lossLast }) => {
    const [from, to] = [lossFirst, lossLast].map((loss) => loss?.toFixed(3) ?? '-');
    return `${name}: ${done} steps, loss ${from} -> ${to}`;
  });
  const minutes = (wallSeconds / 60).toFixed(1);
  const written = exports.map(
    ({ path, maxAbsLogitDiff }) => `exported ${path}, logits equal to within ${maxAbsLogitDiff.toPrecision(2)}`,
  );
  return [
    `${engine}, ${minutes} minutes of training, evaluation and export`,
    ...steps,
    '',
    ...table,
    ...(written.length === 0 ? [] : ['', ...written]),
  ].join('\n');
}
