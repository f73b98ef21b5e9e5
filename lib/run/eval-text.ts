/** An evaluation as a table: what was asked, what the model reached, and what chance and the controls reach. */

import { estimatesOf } from '../eval/metrics/figures.ts';
import type { Estimate } from '../eval/metrics/interval.ts';
import type { EvalReport } from './eval-report.ts';

/** What the figure of each task is. */
const MEANING: Readonly<Record<string, string>> = {
  refer: 'accuracy, IoU 0.5',
  identify: 'exact match',
  vqa: 'mean over types',
  detection: 'F1, IoU 0.5',
  grounding: 'F1, IoU 0.5',
  caption: 'object F1',
};
const CONTROLS = ['chance', 'untrained', 'shuffled'] as const;

/** The table of an evaluation, a line for each figure; right-aligned numbers, no trailing spaces. */
export function evalText(report: EvalReport): string {
  const { metrics } = report;
  const columns = CONTROLS.filter((name) => metrics[name] !== undefined);
  const controls = columns.map((name) => new Map(metrics[name] === undefined ? [] : estimatesOf(metrics[name])));
  const head = ['task', 'figure', 'n', 'model', '95 %', ...columns];
  const rows = estimatesOf(metrics.model).map(([name, estimate], place, all) => {
    const [task = '', detail] = name.split(/\.(.*)/s);
    const first = all[place - 1]?.[0].split('.')[0] !== task;
    const label = detail === undefined ? [task, MEANING[task] ?? ''] : [first ? task : '', detail];
    const beside = controls.map((values) => number(values.get(name)));
    return [...label, String(estimate.n), number(estimate), interval(estimate), ...beside];
  });
  const title = `${report.run}, step ${report.step}: ${report.engine.backend} on ${report.engine.device}`;
  return [title, '', ...aligned([head, ...rows]), ...(columns.length === 0 ? [] : ['', ...legend(columns)])].join('\n');
}

function number(estimate: Estimate | undefined): string {
  return estimate === undefined ? '-' : estimate.value.toFixed(3);
}

function interval({ low, high }: Estimate): string {
  return `${low.toFixed(3)}-${high.toFixed(3)}`;
}

/** Columns of one width; the first two are texts. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cell = (text: string, column: number): string =>
    column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(cell).join('  ').trimEnd());
}

function legend(columns: readonly (typeof CONTROLS)[number][]): string[] {
  const meaning = {
    chance: 'chance: the best constant answer',
    untrained: 'untrained: the weights that this run began with',
    shuffled: 'shuffled: the same model, shown another scene’s image',
  };
  return columns.map((name) => meaning[name]);
}
