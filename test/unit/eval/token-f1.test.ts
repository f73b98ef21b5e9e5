/** F1 of words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenF1 } from '../../../lib/eval/metrics/token-f1.ts';

const f1 = (reference: string, answer: string): number => tokenF1({ reference, answer });

test('case, articles, punctuation and boxes do not count', () => {
  assert.equal(f1('A dog on the grass.', 'dog on grass'), 1);
  assert.equal(f1('a dog', '<p>a Dog</p> {<10><20><30><40>}'), 1);
});

test('a word counts as often as both texts hold it', () => {
  // Shared: red, car. 2 * 2 / (3 + 2).
  assert.equal(f1('a red red car', 'the red car'), 0.8);
  // Shared: one of three cars.
  assert.equal(f1('a car', 'car car car'), 0.5);
});

test('without a shared word it is 0, and only two empty texts are equal', () => {
  assert.equal(f1('two stars', 'a fish'), 0);
  assert.equal(f1('two stars', ''), 0);
  assert.equal(f1('the', 'a'), 1);
});
