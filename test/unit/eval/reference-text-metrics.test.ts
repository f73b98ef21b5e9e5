import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { roundHalfEven } from '../../../lib/eval/metrics/numbers.ts';
import { scoreBox, scoreBoxAsReference } from '../../../lib/eval/metrics/refcoco.ts';
import { overallAccuracy, vizwizAccuracy, vqaAccuracy } from '../../../lib/eval/metrics/vqa.ts';
import { normalisePunctuation, normaliseWords } from '../../../lib/eval/metrics/vqa-normalise.ts';
import { run } from '../../parity/adapters/text-metrics.ts';

test('every recorded decision of the original evaluators is made again', async () => {
  const results = await run(join(import.meta.dirname, '../../parity/fixtures/text-metrics'));
  for (const result of results) assert.ok(result.ok, `${result.name}: ${result.detail}`);
});

test('an answer that three of ten gave counts fully only where others agree', () => {
  const answers = ['a cat', 'a cat', 'a cat', ...new Array<string>(7).fill('dog')];
  assert.ok(Math.abs(vqaAccuracy({ prediction: 'cat', answers }) - 0.9) < 1e-12);
  assert.equal(vizwizAccuracy({ prediction: 'A CAT', answers }), 1);
});

test('nothing is normalised where all annotators agree', () => {
  const answers = new Array<string>(10).fill('two');
  assert.equal(vqaAccuracy({ prediction: '2', answers }), 0);
  assert.equal(vqaAccuracy({ prediction: 'Two', answers }), 1);
});

test('the published slips of the normalisation are kept', () => {
  assert.equal(normaliseWords("somebody'd"), 'somebodyd');
  assert.equal(normaliseWords('Im'), 'im');
  assert.equal(normalisePunctuation(`${'.'.repeat(40)}`), '........');
  assert.equal(normalisePunctuation('1,000/x'), '1000x');
});

test('no questions give accuracy 0, not NaN', () => {
  assert.equal(overallAccuracy([]), 0);
  assert.equal(vqaAccuracy({ prediction: 'x', answers: [] }), 0);
});

test('rounding is that of Python: exact value, halves to even', () => {
  const values = [0.125, 0.375, 2.675, 12.125, -0.125, 0.005, 33.333333333, 100];
  assert.deepEqual(
    values.map((value) => roundHalfEven(value, 2)),
    [0.12, 0.38, 2.67, 12.12, -0.12, 0.01, 33.33, 100],
  );
  assert.deepEqual(
    [0.5, 1.5, 2.5].map((value) => roundHalfEven(value, 0)),
    [0, 2, 2],
  );
});

test('the literature counts an overlap of exactly one half, the original does not', () => {
  assert.deepEqual(scoreBox('{<0><0><50><100>}', [0, 0, 1, 1]), { box: [0, 0, 0.5, 1], iou: 0.5, hit: true });
  const half = { prediction: '{<0><0><50><100>}', bbox: [0, 0, 3, 1] as const, size: { width: 2, height: 1 } };
  const scored = scoreBoxAsReference(half);
  assert.equal(scored.iou, 0.5);
  assert.equal(scored.correct, false);
});

test('an answer without a box scores nothing and throws nothing', () => {
  assert.deepEqual(scoreBox('no idea', [0, 0, 1, 1]), { box: undefined, iou: 0, hit: false });
  const item = { prediction: '', bbox: [0, 0, 1, 1] as const, size: { width: 1, height: 1 }, forced: true };
  assert.equal(scoreBoxAsReference(item).correct, false);
});
