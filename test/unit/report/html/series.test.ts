import assert from 'node:assert/strict';
import { test } from 'node:test';
import { smoothed, stepSeries, stretchesOf, tasksOf, thinned } from '../../../../lib/report/html/series.ts';
import { reportedRun, stepEvent, steps } from './report-support.ts';

test('runs of a chain stand one after another on the axis of steps', () => {
  const stretches = stretchesOf([reportedRun(), reportedRun({ name: 'stage2', step: 3, events: steps(3) })]);
  assert.deepEqual(
    stretches.map(({ name, offset, steps: count }) => [name, offset, count]),
    [
      ['stage1', 0, 40],
      ['stage2', 40, 3],
    ],
  );
  const [first = [], second = []] = stepSeries(stretches, ({ step }) => step * 10);
  assert.deepEqual(
    [first[0], first.at(-1)],
    [
      { x: 1, y: 10 },
      { x: 40, y: 400 },
    ],
  );
  assert.deepEqual(second, [
    { x: 41, y: 10 },
    { x: 42, y: 20 },
    { x: 43, y: 30 },
  ]);
});

test('steps without the number, or with one that is not finite, give no point', () => {
  const events = [stepEvent(1), stepEvent(2, { loss: Number.NaN }), stepEvent(3, { gradNorm: 7 })];
  const stretches = stretchesOf([reportedRun({ step: 3, events })]);
  assert.deepEqual(
    stepSeries(stretches, ({ loss }) => loss)[0]?.map(({ x }) => x),
    [1, 3],
  );
  assert.deepEqual(
    stepSeries(stretches, ({ gradNorm }) => (gradNorm === 7 ? 1 : undefined)),
    [[{ x: 3, y: 1 }]],
  );
});

test('a task counts where it has supervised tokens', () => {
  const events = [stepEvent(1, { tasks: { vqa: { loss: 1, tokens: 2 }, text: { loss: 0, tokens: 0 } } }), stepEvent(2)];
  assert.deepEqual(tasksOf(stretchesOf([reportedRun({ events })])), ['vqa', 'refer', 'caption']);
});

test('thinning takes means of neighbours, keeps the last place and leaves short series alone', () => {
  const segment = [1, 3, 5, 7, 9].map((y, x) => ({ x, y }));
  assert.deepEqual(thinned(segment, 5), segment);
  assert.deepEqual(thinned(segment, 3), [
    { x: 1, y: 2 },
    { x: 3, y: 6 },
    { x: 4, y: 9 },
  ]);
  assert.deepEqual(thinned([], 3), []);
});

test('smoothing leaves a level as it is, evens out noise, and keeps a steep start where it is', () => {
  const level = Array.from({ length: 100 }, (_, x) => ({ x, y: 2 }));
  assert.deepEqual(smoothed(level, 0.1), level);
  const noise = level.map(({ x }) => ({ x, y: x % 2 }));
  for (const { y } of smoothed(noise, 0.2).slice(3)) assert.ok(Math.abs(y - 0.5) < 0.11, String(y));
  const fall = level.map(({ x }) => ({ x, y: Math.max(0, 10 - x) }));
  assert.ok((smoothed(fall, 0.1)[0]?.y ?? 0) > 8);
  assert.deepEqual(smoothed(fall, 0), fall);
});
