import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainColumns, weakFigures } from '../../../../lib/report/html/results.ts';
import { eventWarnings } from '../../../../lib/report/html/warnings.ts';
import { estimate, reportedRun, stepEvent, steps } from './report-support.ts';

test('a run without a fault has no warnings', () => {
  assert.deepEqual(eventWarnings(reportedRun()), []);
});

test('what went wrong during training is told', () => {
  const slow = Array.from({ length: 40 }, (_, place) => stepEvent(place + 1, { dataWait: 0.3 }));
  const events = [
    { event: 'start', step: 20, resumed: true, engine: 'torch', device: 'cpu' } as const,
    ...slow,
    { event: 'skip', step: 41, fault: 'loss', dump: 'dumps/step-41', lr: 1, seconds: 0.1 } as const,
  ];
  const told = eventWarnings(reportedRun({ events, finished: false, step: 41, steps: 90 }));
  assert.deepEqual(told, [
    'it is not finished: step 41 of 90',
    'updates were left out, since a number was not finite: step 41 (loss, dumps/step-41)',
    'it was interrupted and went on after step 20',
    '30.0 % of its time went into waiting for data',
    'the figures are those of step 40, not of the last step 41',
  ]);
});

test('a loss that rose is told, one that only scatters is not', () => {
  const withLoss = (lossOf: (step: number) => number) =>
    Array.from({ length: 100 }, (_, place) =>
      stepEvent(place + 1, { tasks: { vqa: { loss: lossOf(place + 1), tokens: 5 } } }),
    );
  const told = (lossOf: (step: number) => number) => eventWarnings(reportedRun({ step: 40, events: withLoss(lossOf) }));
  assert.deepEqual(
    told((step) => 1 + step / 100),
    ['the loss of vqa rose from 1.055 to 1.955'],
  );
  assert.deepEqual(
    told((step) => 1 + (step % 7) / 3 + step / 900),
    [],
  );
  assert.deepEqual(
    told((step) => 2 - step / 100),
    [],
  );
});

test('a figure whose interval reaches that of a control is told', () => {
  const evaluation = {
    step: 40,
    origin: 'evaluation',
    model: { refer: estimate(0.3), vqa: estimate(0.8), 'vqa.count': estimate(0.1) },
    controls: { chance: { refer: estimate(0.25), vqa: estimate(0.4), 'vqa.count': estimate(0.2) } },
  } as const;
  const columns = chainColumns({ label: 'x', runs: [reportedRun({ evaluation })] });
  assert.deepEqual(weakFigures(columns), [
    'stage1: not clearly above chance, as the intervals show: refer (0.300 against 0.250)',
  ]);
});

test('controls of a chain: untrained of its first run, chance and shuffled of the last that has them', () => {
  const evaluated = (controls: object) => ({
    step: 40,
    origin: 'evaluation' as const,
    model: { refer: estimate(0.5) },
    controls,
  });
  const runs = [
    reportedRun({ evaluation: evaluated({ untrained: { refer: estimate(0.01) }, chance: { refer: estimate(0.2) } }) }),
    reportedRun({
      name: 'stage2',
      evaluation: evaluated({ untrained: { refer: estimate(0.4) }, chance: { refer: estimate(0.1) } }),
    }),
    reportedRun({ name: 'stage3', events: steps(2), evaluation: undefined }),
  ];
  const columns = chainColumns({ label: 'x', runs });
  assert.deepEqual(
    columns.map(({ name, figures }) => [name, figures['refer']?.value]),
    [
      ['stage1', 0.5],
      ['stage2', 0.5],
      ['chance', 0.1],
      ['untrained', 0.01],
    ],
  );
});
