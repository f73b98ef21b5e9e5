import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Example } from '../../../lib/data/sample.ts';
import type { RunEvent } from '../../../lib/report/events.ts';
import { describeShares, drawnBy, mixtureShares } from '../../../lib/run/shares.ts';

const example = (line: number, task: Example['task']): Example => ({
  id: 'x',
  line,
  task,
  tokenIds: new Int32Array(0),
  labels: new Int32Array(0),
  images: [],
  contextLength: 0,
});

test('a step is counted by line and task, in samples and in supervised tokens', () => {
  const examples = [example(0, 'refer'), example(1, 'vqa'), example(0, 'refer'), example(0, 'vqa')];
  const rows = [9, 2, 11, 3].map((tokens) => ({ loss: 1, tokens }));
  assert.deepEqual(drawnBy(examples, rows), [
    { line: 0, task: 'refer', samples: 2, tokens: 20 },
    { line: 1, task: 'vqa', samples: 1, tokens: 2 },
    { line: 0, task: 'vqa', samples: 1, tokens: 3 },
  ]);
});

test('shares of a run are sums over its steps; updates that were left out count for nothing', () => {
  const step = {
    event: 'step' as const,
    loss: 1,
    lr: 1,
    gradNorm: 1,
    tasks: {},
    tokens: 1,
    samplesPerSecond: 1,
    dataWait: 0,
  };
  const events: RunEvent[] = [
    { ...step, step: 1, seconds: 1, drawn: [{ line: 0, task: 'refer', samples: 2, tokens: 30 }] },
    { event: 'skip', step: 2, fault: 'loss', dump: 'dumps/step-2', lr: 1, seconds: 1 },
    {
      ...step,
      step: 3,
      seconds: 1,
      drawn: [
        { line: 1, task: 'caption', samples: 1, tokens: 6 },
        { line: 0, task: 'refer', samples: 1, tokens: 4 },
      ],
    },
  ];
  const lines = [
    { source: 'boxes', task: 'refer', share: 0.8 },
    { source: 'photos', task: '', share: 0.2 },
    { source: 'never', task: '', share: 0 },
  ];
  const shares = mixtureShares(lines, events);
  assert.deepEqual(
    shares.map(({ samples, tokens, sampleShare, tokenShare }) => [samples, tokens, sampleShare, tokenShare]),
    [
      [3, 34, 0.75, 0.85],
      [1, 6, 0.25, 0.15],
      [0, 0, 0, 0],
    ],
  );
  assert.deepEqual(shares[0]?.tasks, { refer: { samples: 3, tokens: 34 } });
  const [first = ''] = describeShares(shares);
  assert.match(first, /boxes \(refer\): planned 80\.0 % of the samples, got 75\.0 %, 85\.0 % .* 3 samples: refer 3/);
  assert.deepEqual(
    mixtureShares(lines, []).map(({ sampleShare }) => sampleShare),
    [0, 0, 0],
  );
});
