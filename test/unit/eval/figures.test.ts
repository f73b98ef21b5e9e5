import assert from 'node:assert/strict';
import { test } from 'node:test';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { answerText } from '../../../lib/eval/answer-text.ts';
import { figuresOf, parseRequirement, unmetRequirements } from '../../../lib/eval/metrics/figures.ts';
import { type Metrics, type Prediction, SCORED_TASKS, summarise } from '../../../lib/eval/metrics/summary.ts';
import { fewQuestions } from './eval-support.ts';

const estimate = (value: number) => ({ value, n: 10, low: 0, high: 1 });
const metrics: Metrics = {
  tasks: { refer: estimate(0.5), vqa: estimate(0.9) },
  details: { 'vqa.count': estimate(0.8), 'refer.meanIou': estimate(0.4), 'caption.exact': estimate(0.1) },
};

test('right answers, through tokens and back, score 1 at every task of the embedded scenes', async () => {
  const tokenizer = await llama2Tokenizer();
  const samples = await fewQuestions(12);
  const predictions = samples.map(({ id, task, turns, truth }): Prediction => {
    const reference = turns[0]?.answer ?? '';
    const answer = answerText([...tokenizer.encode(reference), tokenizer.eosId], tokenizer);
    return { id, task, reference, answer, ...(truth && { truth }) };
  });
  const { tasks } = summarise(predictions);
  assert.deepEqual(
    SCORED_TASKS.map((task) => [task, tasks[task]?.value, tasks[task]?.n]),
    SCORED_TASKS.map((task) => [task, 1, 12]),
  );
  const swapped = predictions.map((one, place) => ({ ...one, answer: predictions.at(place - 7)?.answer ?? '' }));
  const wrong = summarise(swapped).tasks;
  for (const task of SCORED_TASKS) assert.ok((wrong[task]?.value ?? 1) < 0.9, task);
});

test('figures go by name, tasks before their details, the mean of the tasks last', () => {
  assert.deepEqual(Object.entries(figuresOf(metrics)), [
    ['refer', 0.5],
    ['refer.meanIou', 0.4],
    ['vqa', 0.9],
    ['vqa.count', 0.8],
    ['caption.exact', 0.1],
    ['mean', 0.7],
  ]);
  assert.deepEqual(figuresOf({ tasks: {}, details: {} }), { mean: 0 });
});

test('a requirement names a figure and a least value', () => {
  assert.deepEqual(parseRequirement('refer>=0.5'), { metric: 'refer', least: 0.5 });
  assert.deepEqual(parseRequirement(' vqa.count >= .25 '), { metric: 'vqa.count', least: 0.25 });
  assert.deepEqual(parseRequirement('mean>=1'), { metric: 'mean', least: 1 });
  assert.deepEqual(parseRequirement('refer>=5e-2'), { metric: 'refer', least: 0.05 });
  for (const text of [
    'refer',
    'refer>0.5',
    'refr>=0.5',
    'refer>=50',
    'refer>=',
    '>=0.5',
    'refer>=NaN',
    'refer>=-1',
    '',
  ]) {
    assert.throws(() => parseRequirement(text), { code: 'E_REQUIRE', kind: 'usage', found: text }, text);
  }
});

test('a figure that is lower or was not measured is not reached, one that is equal is', () => {
  const unmet = (...texts: string[]) => unmetRequirements(texts.map(parseRequirement), metrics);
  assert.deepEqual(unmet('refer>=0.5', 'vqa>=0.85', 'vqa.count>=0.8', 'mean>=0.7'), []);
  const [low, absent, ...rest] = unmet('refer>=0.51', 'vqa>=0.1', 'caption>=0');
  assert.deepEqual(rest, []);
  assert.equal(low?.code, 'E_GATE');
  assert.equal(low?.exitStatus, 9);
  assert.deepEqual([low?.where, low?.found, low?.expected], ['refer', '0.500', 'at least 0.51']);
  assert.match(absent?.found ?? '', /no such figure; there are refer, .*caption\.exact, mean/);
});
