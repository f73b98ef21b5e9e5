import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  boxesOfAnswer,
  firstBoxOfAnswer,
  namedBoxesOfAnswer,
  normaliseAnswer,
  phrasesOfAnswer,
  plainTextOfAnswer,
} from '../../../lib/eval/parse-answer.ts';

describe('boxes of an answer', () => {
  test('a clean box is read as fractions', () => {
    assert.deepEqual(boxesOfAnswer('{<12><34><56><100>}'), [[0.12, 0.34, 0.56, 1]]);
  });

  test('spaces, left-over special tokens and missing braces are forgiven', () => {
    const box = [0.01, 0.02, 0.3, 0.4];
    for (const text of [
      '{ <1> <2> <30> <40> }',
      '<1><2><30><40>',
      '{<1><2><30><40>',
      'it is at {<1><2>\n<30><40>}</s>',
      '<unk>{<1><unk><2><30><40>}',
    ]) {
      assert.deepEqual(boxesOfAnswer(text), [box], text);
    }
  });

  test('three numbers, a number above 100, words and bare numbers are no box', () => {
    for (const text of ['{<1><2><3>}', '{<1><2><3><101>}', '{<a><2><3><4>}', '1 2 3 4', '', '{<1><2><3><4']) {
      assert.deepEqual(boxesOfAnswer(text), [], text);
    }
  });

  test('swapped corners stay as they stand, so that they count as a wrong box', () => {
    assert.deepEqual(firstBoxOfAnswer('{<50><50><10><10>}'), [0.5, 0.5, 0.1, 0.1]);
  });

  test('the first of several boxes answers a question for one', () => {
    assert.deepEqual(firstBoxOfAnswer('{<0><0><10><10>}<delim>{<5><5><9><9>}'), [0, 0, 0.1, 0.1]);
  });
});

describe('phrases of an answer', () => {
  test('a phrase owns the boxes joined behind it', () => {
    const answer = 'A <p>red car</p> {<1><2><3><4>}<delim>{<5><6><7><8>} beside <p>a dog</p> {<9><10><11><12>}.';
    assert.deepEqual(phrasesOfAnswer(answer), [
      {
        phrase: 'red car',
        boxes: [
          [0.01, 0.02, 0.03, 0.04],
          [0.05, 0.06, 0.07, 0.08],
        ],
      },
      { phrase: 'a dog', boxes: [[0.09, 0.1, 0.11, 0.12]] },
    ]);
    assert.deepEqual(
      namedBoxesOfAnswer(answer).map(({ name }) => name),
      ['red car', 'red car', 'dog'],
    );
  });

  test('boxes before any phrase, or behind other words, have no phrase', () => {
    const names = (text: string): string[] => phrasesOfAnswer(text).map(({ phrase }) => phrase);
    assert.deepEqual(names('{<1><2><3><4>} <p>dog</p> {<1><2><3><4>}'), ['', 'dog']);
    assert.deepEqual(names('<p>dog</p> {<1><2><3><4>} and {<1><2><3><4>}'), ['dog', '']);
    assert.deepEqual(names('<p>dog</p> sits at {<1><2><3><4>}'), ['']);
  });

  test('a missing closing tag before a box is forgiven, a phrase without a box is left out', () => {
    assert.deepEqual(phrasesOfAnswer('<p>dog {<1><2><3><4>} <p>cat</p>'), [
      { phrase: 'dog', boxes: [[0.01, 0.02, 0.03, 0.04]] },
    ]);
  });
});

test('the plain text of a grounded caption is the caption', () => {
  assert.equal(
    plainTextOfAnswer('a <p>dog</p> {<1><2><3><4>}<delim>{<1><2><3><4>} and <p>a star</p> {<1><2><3><4>} .</s>'),
    'a dog and a star.',
  );
});

test('short answers are compared without case, article, ending punctuation, and with digits for number words', () => {
  assert.equal(normaliseAnswer(' The  Dog. '), 'dog');
  assert.equal(normaliseAnswer('Three'), '3');
  assert.equal(normaliseAnswer('a'), 'a');
  assert.equal(normaliseAnswer('light  blue</s>'), 'light blue');
  assert.notEqual(normaliseAnswer('ant'), normaliseAnswer('t'));
});

test('odd long answers are read like any other', () => {
  const run = (text: string): string => text.repeat(100_000);
  assert.deepEqual(phrasesOfAnswer(`<p>${run(' ')}dog${run(' ')}</p>${run(' ')}{<1><2><3><4>}${run(' <')}`), [
    { phrase: 'dog', boxes: [[0.01, 0.02, 0.03, 0.04]] },
  ]);
  assert.equal(normaliseAnswer(`${run('!')}x${run('?')}y`), `x${run('?')}y`);
  assert.equal(plainTextOfAnswer(`a${run(' ')}.${run('<p>')}`), 'a.');
});
