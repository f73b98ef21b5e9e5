import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOfInstruction, drawInstruction, templatePool } from '../../../lib/data/task.ts';
import { boxesOfTurns } from '../../../lib/data/turn-boxes.ts';

const told = (...turns: [string, string][]) =>
  boxesOfTurns(turns.map(([question, answer]) => ({ question, answer }))).map(({ phrase, box, in: side }) =>
    [side, phrase, ...box].join(' '),
  );

test('an answered box is called by what was asked for, an asked one by what was answered', () => {
  assert.deepEqual(told(['[refer] where is the red dog ?', '{<10><20><30><40>}']), [
    'answer the red dog 0.1 0.2 0.3 0.4',
  ]);
  assert.deepEqual(told(['[identify] what is it in {<10><20><30><40>}', 'the red dog']), [
    'question the red dog 0.1 0.2 0.3 0.4',
  ]);
});

test('boxes behind a phrase are called by it, others of the same text are not', () => {
  assert.deepEqual(
    told([
      '[grounding] please describe this image in detail',
      '<p>a dog</p> {<0><0><50><50>}<delim>{<50><50><100><100>} and {<1><2><3><4>}, <p>a cat</p> {<1><2><3><4>}',
    ]),
    [
      'answer a dog 0 0 0.5 0.5',
      'answer a dog 0.5 0.5 1 1',
      'answer a cat 0.01 0.02 0.03 0.04',
      'answer  0.01 0.02 0.03 0.04',
    ],
  );
});

test('a text with boxes of its own, or a long one, is no name', () => {
  assert.deepEqual(told(['is {<1><2><3><4>} left of that?', 'no, {<5><6><7><8>} is']), [
    'question  0.01 0.02 0.03 0.04',
    'answer  0.05 0.06 0.07 0.08',
  ]);
  assert.deepEqual(told([`tell me of ${'very '.repeat(30)}much`, '{<1><2><3><4>}']), ['answer  0.01 0.02 0.03 0.04']);
});

test('every wording of every task gives back what was put into it', () => {
  for (const task of ['refer', 'identify', 'vqa', 'detection'] as const) {
    for (const place of templatePool(task).keys()) {
      assert.equal(contentOfInstruction(drawInstruction(task, 'an odd $& thing', () => place)), 'an odd $& thing');
    }
  }
  assert.equal(contentOfInstruction('how many dogs are there?'), 'how many dogs are there?');
  assert.equal(contentOfInstruction('[unknown] thing'), '[unknown] thing');
  assert.equal(contentOfInstruction('[caption] A picture of'), '');
});
