/** docs/performance.md is what `npm run docs:performance` writes from the measurements, and how it writes it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import type { BenchFile } from '../../lib/run/bench/output.ts';
import { cellText, unitOf } from '../bench/performance/cell.ts';
import { readParts, renderPage } from '../bench/performance/page.ts';
import { parseColumn } from '../bench/performance/table.ts';

const DOCS = resolve(import.meta.dirname, '../../docs');

function measured(cases: unknown[]): BenchFile {
  const machine = { processor: 'P', cores: 2, memoryBytes: 2 ** 34, system: 'S', node: 'v20.0.0', settings: {} };
  const report = { threads: 2, rounds: 3, cases };
  return {
    format: 1,
    bench: 'x',
    command: 'tristage bench x',
    date: '2026-01-02T03:04:05Z',
    tristage: '1',
    machine,
    report,
  };
}

describe('docs/performance.md', () => {
  test('it is what its parts give', () => {
    assert.equal(
      readFileSync(join(DOCS, 'performance.md'), 'utf8'),
      renderPage(readParts(join(DOCS, 'performance'))),
      'run npm run docs:performance',
    );
  });

  test('a table names its measurement and shows chosen columns, or every value of a benchmark that it does not know', () => {
    const spread = { median: 0.0125, min: 0.01, max: 0.02 };
    const files = new Map([
      [
        'x.json',
        measured([
          {
            name: 'one',
            library: '9',
            speed: { ratio: 1.5, spread: { median: 1.5, min: 1, max: 2 } },
            ours: { seconds: spread, peakBytes: 2 ** 30, peakShare: 0.714 },
          },
        ]),
      ],
    ]);
    const page = (mark: string) => renderPage({ page: mark, targets: [], files });
    const chosen = page('<!-- table x.json | speed | ours.seconds=ours | ours.peakShare=share -->');
    assert.ok(
      chosen.includes(
        '`tristage bench x`: 2026-01-02; P, 2 cores, 16 GiB, S; Node 20.0.0, tristage 1, library 9; 2 threads, 3 rounds.',
      ),
    );
    assert.ok(
      chosen.includes(
        '| case | speed | ours | share |\n|---|---|---|---|\n| `one` | 1.50 (1.00 to 2.00) | 12.5 ms (10 ms to 20 ms) | 71.4 % |',
      ),
    );
    const every = page('<!-- table x.json -->');
    assert.ok(every.includes('| case | library | speed | ours seconds | ours peakBytes | ours peakShare |'));
    assert.ok(every.includes('1.00 GiB'));
    assert.ok(page('<!-- table x.json y.json -->').endsWith('Not measured yet: y.json.'));
    assert.throws(() => page('no table'), /x\.json/);
  });

  test('a target is met, missed or not measured', () => {
    const files = new Map([['x.json', measured([{ name: 'one', speed: { ratio: 1.5 } }])]]);
    const target = { what: 'it', file: 'x.json', case: 'one', value: 'speed.ratio', reason: 'so' };
    const targets = [
      { ...target, least: 1.5 },
      { ...target, most: 1.4 },
      { ...target, case: 'two', least: 1 },
    ];
    const lines = renderPage({ page: '<!-- targets -->\nx.json', targets, files }).split('\n');
    assert.ok(lines.includes('| it | at least 1.50 | 1.50 | yes | so |'));
    assert.ok(lines.includes('| it | at most 1.40 | 1.50 | **no** | so |'));
    assert.ok(lines.includes('| it | at least 1.00 | not measured |  | so |'));
  });

  test('units come from names, or from the table', () => {
    assert.equal(unitOf(['ours', 'cpuSeconds', 'median']), 'seconds');
    assert.equal(unitOf(['work', 'samples']), 'plain');
    assert.deepEqual(parseColumn('cold:ms=first'), { path: ['cold'], title: 'first', unit: 'ms' });
    assert.equal(cellText({ least: 1, median: 2000, most: 3000 }, 'ms'), '2 s (1 ms to 3 s)');
    assert.equal(cellText(3.1e-8, 'plain'), '3.1e-8');
    assert.equal(cellText([1], 'plain'), undefined);
  });
});
