import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomStream } from '../../../lib/core/rng.ts';
import { type Box, formatBox, formatPhrase } from '../../../lib/data/boxes.ts';
import type { SceneObject } from '../../../lib/data/sample.ts';
import { bestConstantBox, bestConstantCaption, bestConstantText } from '../../../lib/eval/metrics/baseline.ts';
import { type Prediction, summarise, summariseChance } from '../../../lib/eval/metrics/summary.ts';
import { firstBoxOfAnswer } from '../../../lib/eval/parse-answer.ts';

const NAMES = ['dog', 'car', 'tree', 'star'];

function scene(seed: number): SceneObject[] {
  const stream = randomStream(7, seed);
  return Array.from({ length: 1 + stream.integer(0, 3) }, (_, place) => {
    const at = stream.child(place);
    const [x, y, side] = [at.uniform(0) * 0.6, at.uniform(1) * 0.6, 0.3 + at.uniform(2) * 0.1];
    return { name: NAMES[at.integer(3, NAMES.length)] as string, box: [x, y, x + side, y + side] as Box };
  });
}

/** One question a task for a scene, answered perfectly. */
function questions(seed: number): Prediction[] {
  const objects = scene(seed);
  const first = objects[0] as SceneObject;
  const same = objects.filter(({ name }) => name === first.name).map(({ box }) => box);
  const make = (task: Prediction['task'], reference: string, more: object = {}): Prediction => ({
    id: `${task}-${seed}`,
    task,
    reference,
    answer: reference,
    truth: { objects, ...more },
  });
  const grounded = objects.map(({ name, box }) => `a ${formatPhrase(name, [box], 'round')}`);
  return [
    make('refer', formatBox(first.box, 'round'), { target: first.box }),
    make('identify', first.name),
    make('vqa', String(objects.length), { questionType: 'count' }),
    make('vqa', objects.some(({ name }) => name === 'dog') ? 'yes' : 'no', { questionType: 'exist' }),
    make('detection', formatPhrase(first.name, same, 'round')),
    make('grounding', grounded.join(' and ')),
    make('caption', objects.map(({ name }) => `a ${name}`).join(' and ')),
    make('conversation', 'a chat has no metric'),
  ];
}

const PERFECT = Array.from({ length: 60 }, (_, seed) => questions(seed)).flat();
const TASKS = ['refer', 'identify', 'vqa', 'detection', 'grounding', 'caption'];

describe('summary', () => {
  test('perfect answers reach 1 in every task, with counts and intervals', () => {
    const { tasks, details } = summarise(PERFECT);
    assert.deepEqual(Object.keys(tasks).sort(), [...TASKS].sort());
    for (const [task, estimate] of Object.entries(tasks)) {
      assert.equal(estimate.value, 1, task);
      assert.equal(estimate.n, task === 'vqa' ? 120 : 60);
      assert.ok(estimate.low < 1 && estimate.low > 0.9 && estimate.high === 1);
    }
    assert.deepEqual(Object.keys(details).sort(), [
      'caption.exact',
      'caption.tokenF1',
      'refer.answered',
      'refer.meanIou',
      'vqa.count',
      'vqa.exist',
    ]);
    assert.ok((details['refer.meanIou']?.value ?? 0) > 0.95);
  });

  test('empty answers reach 0 in every task', () => {
    const { tasks, details } = summarise(PERFECT.map((one) => ({ ...one, answer: '' })));
    for (const [task, estimate] of Object.entries(tasks)) assert.equal(estimate.value, 0, task);
    assert.equal(details['refer.answered']?.value, 0);
  });

  test('a task without questions is absent', () => {
    const { tasks } = summarise(PERFECT.filter(({ task }) => task === 'identify'));
    assert.deepEqual(Object.keys(tasks), ['identify']);
  });

  test('the same answers and seed give the same figures', () => {
    assert.deepEqual(summariseChance(PERFECT, { seed: 4 }), summariseChance(PERFECT, { seed: 4 }));
  });

  test('what several people answered gives the accuracy of the VQA challenge beside the exact match', () => {
    const ask = (answer: string, answers: string[]): Prediction => ({
      id: answer,
      task: 'vqa',
      reference: 'two',
      answer,
      truth: { questionType: 'number', answers },
    });
    const said = ['two', 'two', 'two', 'two', '3', '3', '3', 'four', 'four', 'five'];
    const { tasks, details } = summarise([ask('Two.', said), ask('3', said), ask('four', said), ask('six', said)]);
    assert.equal(tasks.vqa?.value, 0.25);
    // Each annotator's vote is weighed by the nine others: 1, (3 * 2/3 + 7) / 10, (2 * 1/3 + 8 * 2/3) / 10, 0.
    assert.ok(Math.abs((details['vqa.official']?.value ?? 0) - (1 + 0.9 + 0.6 + 0) / 4) < 1e-9);
    assert.equal(details['vqa.official']?.n, 4);
    assert.equal(summarise(PERFECT).details['vqa.official'], undefined);
  });

  test('references stand in where a source gives no truth', () => {
    const bare = PERFECT.map(({ truth: _, ...rest }) => rest);
    const { tasks, details } = summarise(bare);
    assert.equal(tasks.refer?.value, 1);
    assert.equal(tasks.grounding?.value, 1);
    assert.equal(tasks.caption, undefined);
    assert.equal(details['vqa.all']?.n, 120);
  });

  test('a question for a box whose right box nobody knows is refused', () => {
    const broken: Prediction = { id: 'r1', task: 'refer', reference: 'left', answer: '' };
    assert.throws(() => summarise([broken]), { code: 'E_TRUTH', where: 'r1' });
  });
});

describe('chance', () => {
  test('lies between nothing and everything, and no constant answer of the truths themselves beats it', () => {
    const chance = summariseChance(PERFECT).tasks;
    for (const task of TASKS) {
      const value = chance[task as keyof typeof chance]?.value ?? -1;
      assert.ok(value > 0 && value < 1, `${task} ${value}`);
      const answers = new Set(PERFECT.filter((one) => one.task === task).map(({ answer }) => answer));
      for (const answer of [...answers].slice(0, 25)) {
        const constant = summarise(PERFECT.filter((one) => one.task === task).map((one) => ({ ...one, answer })));
        const reached = constant.tasks[task as keyof typeof chance]?.value ?? 0;
        assert.ok(reached <= value + 1e-12, `${task}: '${answer}' reaches ${reached}, chance says ${value}`);
      }
    }
  });

  test('of exact answers is the share of the most frequent one, for each question type', () => {
    const truths = PERFECT.filter(({ truth }) => truth?.questionType === 'count').map(({ reference }) => reference);
    const most = Math.max(...['1', '2', '3'].map((one) => truths.filter((truth) => truth === one).length));
    assert.equal(summariseChance(PERFECT).details['vqa.count']?.value, most / 60);
    assert.equal(bestConstantText(['b', 'a', 'A.', 'c', 'b', 'two', '2', 'Two']), '2');
  });

  test('of boxes finds the box that covers a cluster of targets', () => {
    const cluster: Box[] = [0, 0.02, 0.04].map((shift) => [0.31 + shift, 0.13, 0.47 + shift, 0.29]);
    const box = firstBoxOfAnswer(bestConstantBox([...cluster, [0.8, 0.8, 0.9, 0.9]]));
    const { tasks } = summarise(
      cluster.map((target, place) => ({
        id: String(place),
        task: 'refer',
        reference: '',
        answer: formatBox(box as Box, 'round'),
        truth: { objects: [], target },
      })),
    );
    assert.equal(tasks.refer?.value, 1);
  });

  test('of captions names the objects that most scenes hold', () => {
    assert.equal(
      bestConstantCaption([
        ['dog', 'dog'],
        ['dog', 'dog', 'car'],
        ['dog', 'dog'],
      ]),
      'one dog, one dog',
    );
  });
});
