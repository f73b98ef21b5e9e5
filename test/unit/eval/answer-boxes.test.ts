import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerBoxes, inBothUnits } from '../../../lib/eval/answer-boxes.ts';

test('each box of an answer has its phrase, its fractions and its pixels', () => {
  assert.deepEqual(
    answerBoxes('<p>red apple</p> {<10><20><30><40>}<delim>{<50><60><70><80>} on a {<0><0><100><100>}', {
      width: 333,
      height: 50,
    }),
    [
      { phrase: 'red apple', fractions: [0.1, 0.2, 0.3, 0.4], pixels: [33.3, 10, 99.9, 20] },
      { phrase: 'red apple', fractions: [0.5, 0.6, 0.7, 0.8], pixels: [166.5, 30, 233.1, 40] },
      { fractions: [0, 0, 1, 1], pixels: [0, 0, 333, 50] },
    ],
  );
});

test('without an image there are no pixels, without boxes there is nothing', () => {
  assert.deepEqual(answerBoxes('{<1><2><3><4>}'), [{ fractions: [0.01, 0.02, 0.03, 0.04] }]);
  assert.deepEqual(answerBoxes('two dogs', { width: 10, height: 10 }), []);
});

test('corners stay as the answer has them', () => {
  assert.deepEqual(answerBoxes('{<90><80><10><20>}', { width: 100, height: 100 }), [
    { fractions: [0.9, 0.8, 0.1, 0.2], pixels: [90, 80, 10, 20] },
  ]);
});

test('pixels are given to hundredths', () => {
  assert.deepEqual(inBothUnits([0.29, 1 / 3, 0.58, 2 / 3], { width: 100, height: 100 }).pixels, [29, 33.33, 58, 66.67]);
});
