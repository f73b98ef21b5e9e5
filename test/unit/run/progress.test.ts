import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trainingOutput } from '../../../bin/output.ts';
import { openScreen } from '../../../lib/core/screen.ts';
import { type Display, formatDuration, openProgress } from '../../../lib/run/progress.ts';
import type { StepRecord } from '../../../lib/train/loop.ts';

const record = (step: number, changes: Partial<StepRecord> = {}): StepRecord => ({
  step,
  loss: 6.5,
  lr: 1e-3,
  gradNorm: 1,
  tasks: { refer: { loss: 2, tokens: 10 }, vqa: { loss: 0.25, tokens: 4 } },
  tokens: 14,
  seconds: 2,
  waitSeconds: 0.5,
  ...changes,
});

/** What is printed of steps that end at these milliseconds. */
function linesOf(steps: number, times: readonly number[]): string[] {
  const lines: string[] = [];
  let time = 0;
  const progress = openProgress({ steps, globalBatch: 8, info: (line) => lines.push(line), now: () => time });
  for (const [index, at] of times.entries()) {
    time = at;
    progress.step(record(index + 1));
  }
  progress.close();
  return lines;
}

test('a line says step, loss, rate, speed, wait, time to go and the loss of each task', () => {
  const lines: string[] = [];
  openProgress({ steps: 100, globalBatch: 8, info: (line) => lines.push(line) }).step(record(40));
  assert.deepEqual(lines, [
    'step  40/100  loss 6.5000  lr 1.00e-3  4.0 samples/s  data wait 25 %  eta 2:00  refer 2.000  vqa 0.250',
  ]);
});

test('a skipped step says why', () => {
  const lines: string[] = [];
  const skipped = { fault: 'gradient', dump: 'dumps/step-7' } as const;
  openProgress({ steps: 9, globalBatch: 8, info: (line) => lines.push(line) }).step(record(7, { skipped }));
  assert.match(lines[0] ?? '', /^step 7\/9 {2}skipped: gradient not finite {2}/);
});

test('a short run prints every step, a long one a line every five seconds and its last step', () => {
  assert.equal(linesOf(200, [0, 1, 2, 3]).length, 4);
  const long = linesOf(100_000, [0, 1000, 4999, 5000, 9000, 10_001]);
  assert.deepEqual(
    long.map((line) => /^step +(\d+)/.exec(line)?.[1]),
    ['1', '4', '6'],
  );
  const end: string[] = [];
  const progress = openProgress({ steps: 201, globalBatch: 8, info: (line) => end.push(line), now: () => 0 });
  for (const step of [199, 200, 201]) progress.step(record(step));
  assert.equal(end.length, 2);
});

/** A display that keeps what it shows. */
function display(columns: number) {
  const shown: (string | undefined)[] = [];
  const made: Display = { columns: () => columns, status: (text) => shown.push(text), paint: (_, text) => text };
  return { display: made, shown };
}

test('on a display a bar grows, is never wider than the display, and goes away at the end', () => {
  for (const columns of [30, 50, 79, 300]) {
    const { display: place, shown } = display(columns);
    const lines: string[] = [];
    const progress = openProgress({ steps: 40, globalBatch: 8, info: (line) => lines.push(line), display: place });
    progress.step(record(10));
    progress.close();
    assert.equal(lines.length, 0);
    const [bar = '', gone] = shown;
    assert.ok(bar.startsWith('█████░░░░░░░░░░░░░░░'), bar);
    assert.ok(bar.length <= columns, `${bar.length} of ${columns}`);
    assert.equal(bar.includes('vqa 0.250'), columns === 300);
    assert.equal(gone, undefined);
    assert.equal(shown.length, 2);
  }
});

test('lines scroll above the bar, which is drawn again below them', () => {
  let written = '';
  const screen = openScreen({ write: (text) => (written += text), columns: 20 });
  const clear = `\r${String.fromCharCode(27)}[2K`;
  screen.line('start');
  screen.status('bar 1');
  screen.line('saved');
  screen.status('bar 2');
  screen.status(undefined);
  screen.line('end');
  assert.equal(written, `start\nbar 1${clear}saved\nbar 1${clear}bar 2${clear}end\n`);
  assert.equal(screen.columns(), 19);
});

test('durations are short to read', () => {
  assert.deepEqual([0, 59.6, 75, 3700].map(formatDuration), ['0:00', '1:00', '1:15', '1:01:40']);
});

test('a bar is drawn on a terminal that someone watches, not on a build machine', () => {
  const before = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
  const shown = (isTTY: boolean, env: NodeJS.ProcessEnv): boolean => {
    Object.defineProperty(process.stderr, 'isTTY', { value: isTTY, configurable: true });
    return trainingOutput(env).display !== undefined;
  };
  try {
    assert.equal(shown(true, {}), true);
    assert.equal(shown(true, { CI: 'false' }), true);
    assert.equal(shown(true, { CI: '1' }), false);
    assert.equal(shown(true, { TERM: 'dumb' }), false);
    assert.equal(shown(false, {}), false);
  } finally {
    if (before === undefined) Reflect.deleteProperty(process.stderr, 'isTTY');
    else Object.defineProperty(process.stderr, 'isTTY', before);
  }
});
