/** A table from the cases of one or more benchmark files. */
import type { BenchFile } from '../../../lib/run/bench/output.ts';
import { cellText, isCell, isRecord, type Unit, unitOf, valueAt } from './cell.ts';

/** A column: where its value lies in a case, and what stands above it. */
export interface Column {
  path: readonly string[];
  title: string;
  unit: Unit;
}

/** Reads `speed`, `cpu.ratio=cpu`, `cold:ms=first`. */
export function parseColumn(text: string): Column {
  const [where = '', title] = text.split('=').map((part) => part.trim());
  const [dotted = '', unit] = where.split(':');
  const path = dotted.split('.');
  return { path, title: title ?? path.join(' '), unit: (unit as Unit | undefined) ?? unitOf(path) };
}

/** Every value of a case that fits a cell, in the order of the JSON. */
function everyColumn(cases: readonly unknown[]): Column[] {
  const found = new Map<string, Column>();
  const visit = (value: unknown, path: readonly string[]): void => {
    if (isCell(value) && path.length > 0 && path[0] !== 'name') {
      const title = path.filter((name) => name !== 'ratio').join(' ');
      if (!found.has(path.join('.'))) found.set(path.join('.'), { path, title, unit: unitOf(path) });
    } else if (isRecord(value)) {
      for (const [name, inner] of Object.entries(value)) visit(inner, [...path, name]);
    }
  };
  for (const one of cases) visit(one, []);
  return [...found.values()];
}

/**
 * @param columns those to show; none: every value that there is
 * @returns lines of Markdown; cases with none of the values are left out
 */
export function tableOf(files: readonly BenchFile[], columns: readonly Column[] = []): string[] {
  const cases = files.flatMap(({ report }) => report.cases);
  const shown = columns.length > 0 ? columns : everyColumn(cases);
  const rows = cases
    .map((one) => ({
      name: valueAt(one, ['name']),
      cells: shown.map(({ path, unit }) => cellText(valueAt(one, path), unit)),
    }))
    .filter(({ cells }) => cells.some((cell) => cell !== undefined));
  return [
    `| case | ${shown.map(({ title }) => title).join(' | ')} |`,
    `|---|${shown.map(() => '---|').join('')}`,
    ...rows.map(({ name, cells }) => `| \`${String(name)}\` | ${cells.map((cell) => cell ?? '').join(' | ')} |`),
  ];
}

/** Values of a name over all cases, each once. */
function distinct(cases: readonly unknown[], name: string): string[] {
  return [...new Set(cases.map((one) => valueAt(one, [name])))].filter((value) => typeof value === 'string');
}

/** Which libraries ran: what the report says of them, or its cases. */
function versionsOf({ report }: BenchFile): string[] {
  const versions = valueAt(report, ['versions']);
  const named = isRecord(versions)
    ? Object.entries(versions).map(([name, version]) => `${name} ${String(version)}`)
    : [];
  const own = [valueAt(report, ['library'])].filter((value) => typeof value === 'string');
  const libraries = [...own, ...distinct(report.cases, 'library')].map((version) => `library ${version}`);
  return [...named, ...libraries, ...distinct(report.cases, 'torch').map((version) => `PyTorch ${version}`)];
}

/** A line that says how a file was measured. */
export function provenance(file: BenchFile): string {
  const { command, date, machine, tristage, report } = file;
  const gibibytes = Math.round(machine.memoryBytes / 2 ** 30);
  const counted = ['threads', 'rounds'].flatMap((name) => {
    const value = valueAt(report, [name]);
    return typeof value === 'number' ? [`${value} ${name}`] : [];
  });
  const settings = Object.entries(machine.settings).map(([name, value]) => `${name}=${value}`);
  const parts = [
    date.slice(0, 10),
    `${machine.processor}, ${machine.cores} cores, ${gibibytes} GiB, ${machine.system}`,
    [`Node ${machine.node.replace(/^v/, '')}`, `tristage ${tristage}`, ...versionsOf(file)].join(', '),
    [...counted, ...settings].join(', '),
  ];
  return `\`${command}\`: ${parts.filter((part) => part !== '').join('; ')}.`;
}
