/**
 * docs/performance.md from what lies in docs/performance: the measurements as JSON, `page.md` with the words between the tables,
 * and `targets.yaml`.
 *
 * In page.md a line `<!-- table FILE... | COLUMN | COLUMN -->` becomes how those files were measured and a table of their cases
 * (columns: see `parseColumn`; none: every value), and `<!-- targets -->` the table of targets.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { BenchFile } from '../../../lib/run/bench/output.ts';
import { parseColumn, provenance, tableOf } from './table.ts';
import { type Target, targetTable } from './targets.ts';

const NOTICE = '<!-- Written by `npm run docs:performance` from docs/performance; change it there. -->';
const MARK = /^<!-- (table|targets)\b(.*)-->$/;

/** What a page is made from. */
export interface PageParts {
  /** The words, with marks. */
  page: string;
  targets: readonly Target[];
  files: ReadonlyMap<string, BenchFile>;
}

/** Reads the parts of a folder. */
export function readParts(folder: string): PageParts {
  const text = (name: string) => readFileSync(join(folder, name), 'utf8');
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return {
    page: text('page.md'),
    targets: parse(text('targets.yaml')) as Target[],
    files: new Map(names.map((name) => [name, JSON.parse(text(name)) as BenchFile])),
  };
}

function table(argument: string, files: PageParts['files']): string[] {
  const [named = '', ...columns] = argument.split('|').map((part) => part.trim());
  const wanted = named.split(/\s+/);
  const found = wanted.flatMap((name) => files.get(name) ?? []);
  const missing = wanted.filter((name) => !files.has(name));
  const absent = missing.length === 0 ? [] : [`Not measured yet: ${missing.join(', ')}.`];
  if (found.length === 0) return absent;
  return [
    ...found.map(provenance).flatMap((line) => [line, '']),
    ...tableOf(found, columns.map(parseColumn)),
    ...absent.flatMap((line) => ['', line]),
  ];
}

/**
 * The text of the page.
 * @throws Error for a measurement that the page does not show
 */
export function renderPage({ page, targets, files }: PageParts): string {
  const lines = page.split('\n').flatMap((line) => {
    const [, kind, argument = ''] = MARK.exec(line) ?? [];
    if (kind === undefined) return [line];
    return kind === 'targets' ? targetTable(targets, files) : table(argument, files);
  });
  const unused = [...files.keys()].filter((name) => !page.includes(name));
  if (unused.length > 0) throw new Error(`no table of page.md shows ${unused.join(', ')}`);
  return [NOTICE, '', ...lines].join('\n');
}
