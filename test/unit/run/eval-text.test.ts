import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarise } from '../../../lib/eval/metrics/summary.ts';
import { evalText } from '../../../lib/run/eval-text.ts';

type Report = Parameters<typeof evalText>[0];

test('each task is named once, also where it has details and no figure of its own', () => {
  const one = { reference: 'a dog', answer: 'a dog' };
  const model = summarise([
    { ...one, id: '1', task: 'vqa' },
    { ...one, id: '2', task: 'caption' },
    { ...one, id: '3', task: 'identify' },
  ]);
  const report = { run: 'r', step: 3, engine: { backend: 'torch', device: 'cpu' }, metrics: { model } };
  const lines = evalText(report as unknown as Report).split('\n');
  assert.equal(lines[0], 'r, step 3: torch on cpu');
  assert.deepEqual(
    lines.slice(3).map((line) => line.split(/ {2,}/).slice(0, 2)),
    [
      ['identify', 'exact match'],
      ['vqa', 'mean over types'],
      ['', 'all'],
      ['caption', 'exact'],
      ['', 'tokenF1'],
    ],
  );
});
