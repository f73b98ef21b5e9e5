/** The table of targets: each against what was measured, with the reasons that people wrote. */
import type { BenchFile } from '../../../lib/run/bench/output.ts';
import { numberText, type Unit, unitOf, valueAt } from './cell.ts';

/** A target of `docs/performance/targets.yaml`. */
export interface Target {
  what: string;
  /** Name of the file that holds the measurement; absent where no benchmark makes it. */
  file?: string;
  /** Name of the case. */
  case?: string;
  /** Where in the case, such as `speed.ratio`; of a spread the median counts. */
  value?: string;
  /** What was found, where there is no file. */
  found?: number;
  unit?: Unit;
  least?: number;
  most?: number;
  /** What the figure is made of, what was tried, why it is missed. */
  reason: string;
}

function measured({ file, case: name, value: path, found }: Target, files: ReadonlyMap<string, BenchFile>) {
  if (file === undefined || path === undefined) return found;
  const one = files.get(file)?.report.cases.find((each) => valueAt(each, ['name']) === name);
  const value = valueAt(one, path.split('.'));
  const number = typeof value === 'number' ? value : valueAt(value, ['median']);
  return typeof number === 'number' ? number : undefined;
}

/** Whether a number is what a target asks for. */
export function isMet({ least, most }: Pick<Target, 'least' | 'most'>, value: number): boolean {
  return (least === undefined || value >= least) && (most === undefined || value <= most);
}

function row(target: Target, files: ReadonlyMap<string, BenchFile>): string {
  const { what, least, most, reason } = target;
  const unit = target.unit ?? unitOf((target.value ?? '').split('.'));
  const wanted = [
    ...(least === undefined ? [] : [`at least ${numberText(least, unit)}`]),
    ...(most === undefined ? [] : [`at most ${numberText(most, unit)}`]),
  ].join(', ');
  const value = measured(target, files);
  const found = value === undefined ? 'not measured' : numberText(value, unit);
  const verdict = value === undefined ? '' : isMet(target, value) ? 'yes' : '**no**';
  return `| ${what} | ${wanted} | ${found} | ${verdict} | ${reason.trim().replaceAll(/\s+/g, ' ')} |`;
}

/** Lines of Markdown, in the order of the file. */
export function targetTable(targets: readonly Target[], files: ReadonlyMap<string, BenchFile>): string[] {
  return [
    '| what | target | measured | met | why, and what was tried |',
    '|---|---|---|---|---|',
    ...targets.map((target) => row(target, files)),
  ];
}
