import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captionObjectF1, objectsOfText } from '../../../lib/eval/metrics/caption-objects.ts';
import { accuracyByType, exactMatch } from '../../../lib/eval/metrics/exact-match.ts';
import { nameForms } from '../../../lib/eval/metrics/names.ts';

test('exact match forgives case, article and full stop, nothing else', () => {
  const items = ['dog', 'A dog.', 'dogs', 'the dog house', ''].map((answer) => ({ reference: 'Dog', answer }));
  assert.deepEqual([exactMatch(items).value, exactMatch(items).n], [0.4, 5]);
});

test('the mean over question types does not depend on how many questions a type has', () => {
  const item = (type: string, right: boolean) => ({ type, reference: 'x', answer: right ? 'x' : 'y' });
  const items = [...Array.from({ length: 90 }, () => item('count', true)), item('where', false), item('where', true)];
  const { mean, types } = accuracyByType(items);
  assert.equal(mean.value, 0.75);
  assert.equal(mean.n, 92);
  assert.ok(mean.low < 0.75 && mean.high > 0.75);
  assert.deepEqual(Object.keys(types), ['count', 'where']);
  assert.deepEqual([types['where']?.value, types['where']?.n], [0.5, 2]);
});

describe('objects of a caption', () => {
  const names = ['dog', 'star', 'butterfly', 'fish', 'traffic light', 'light', 'knife'];
  const forms = nameForms(names);
  const found = (text: string): Record<string, number> => Object.fromEntries(objectsOfText(text, forms));

  test('numbers, articles and plurals say how many', () => {
    assert.deepEqual(found('two dogs and a star'), { dog: 2, star: 1 });
    assert.deepEqual(found('A big dog, 3 small yellow stars'), { dog: 1, star: 3 });
    assert.deepEqual(found('butterflies above knives'), { butterfly: 2, knife: 2 });
    assert.deepEqual(found('two fish'), { fish: 2 });
    assert.deepEqual(found('a dog left of another dog'), { dog: 2 });
    assert.deepEqual(found('no dog'), {});
  });

  test('a number belongs to the noun phrase in which it stands', () => {
    assert.deepEqual(found('three stars dog'), { star: 3, dog: 1 });
    assert.deepEqual(found('two of light'), { light: 1 });
  });

  test('a definite mention does not count an object again', () => {
    assert.deepEqual(found('a dog and a star; the dog is brown'), { dog: 1, star: 1 });
    assert.deepEqual(found('two dogs. The two big dogs sleep'), { dog: 2 });
    assert.deepEqual(found('the dog'), { dog: 1 });
  });

  test('longer names win, and names inside words do not count', () => {
    assert.deepEqual(found('a traffic light'), { 'traffic light': 1 });
    assert.deepEqual(found('starfish and hotdogs'), {});
  });

  test('grounded captions are read without their boxes', () => {
    assert.deepEqual(found('<p>two dogs</p> {<1><2><3><4>}<delim>{<5><6><7><8>}'), { dog: 2 });
  });

  test('F1 compares counts, not only names', () => {
    const f1 = (answer: string): number =>
      captionObjectF1([{ names: ['dog', 'dog', 'star'], answer }], { names }).value;
    assert.equal(f1('a star and two dogs'), 1);
    assert.equal(f1('a star and a dog'), 0.8);
    assert.equal(f1('a fish'), 0);
  });
});
