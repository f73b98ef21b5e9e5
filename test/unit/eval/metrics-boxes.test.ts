import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Box, formatBox, iou } from '../../../lib/data/boxes.ts';
import { boxAccuracy, boxesAgree } from '../../../lib/eval/metrics/box-accuracy.ts';
import { detectionF1, matchOneToOne } from '../../../lib/eval/metrics/detection.ts';
import { groundingF1 } from '../../../lib/eval/metrics/grounding.ts';
import { classOfPhrase, nameForms } from '../../../lib/eval/metrics/names.ts';

const LEFT: Box = [0, 0, 0.4, 0.4];
const RIGHT: Box = [0.6, 0.6, 1, 1];
const text = (box: Box): string => formatBox(box, 'round');

describe('box accuracy', () => {
  test('counts hits at the threshold and averages the overlap, unreadable answers being misses', () => {
    const items = [
      { target: LEFT, answer: text(LEFT) },
      { target: LEFT, answer: text([0, 0, 0.4, 0.2]) },
      { target: LEFT, answer: text([0, 0, 0.4, 0.19]) },
      { target: LEFT, answer: 'the left one' },
    ];
    const { accuracy, meanIou } = boxAccuracy(items);
    assert.deepEqual([accuracy.value, accuracy.n], [0.5, 4]);
    assert.ok(accuracy.low < 0.5 && accuracy.high > 0.5);
    assert.ok(Math.abs(meanIou.value - (1 + 0.5 + 0.475 + 0) / 4) < 1e-12);
  });

  test('an overlap of exactly one half agrees wherever the box stands', () => {
    for (let shift = 0; shift <= 60; shift++) {
      const at = (x1: number, x2: number): Box => [(x1 + shift) / 100, 0.1, (x2 + shift) / 100, 0.4];
      assert.ok(boxesAgree(at(0, 30), at(10, 40)), `shift ${shift}: ${iou(at(0, 30), at(10, 40))}`);
      assert.ok(!boxesAgree(at(0, 29), at(10, 39)));
    }
  });
});

describe('one-to-one matching', () => {
  test('finds the largest matching where taking the first fit would not', () => {
    // The first prediction fits both truths, the second only the first.
    const fits = (one: string, other: string): boolean => one.includes(other);
    const counts = matchOneToOne({ predicted: ['ab', 'a'], truth: ['a', 'b'] }, fits);
    assert.deepEqual(counts, { hits: 2, extra: 0, missed: 0 });
  });

  test('equals the best of all assignments', () => {
    const table = fc.array(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), { maxLength: 4 });
    const best = (rows: readonly boolean[][], free: readonly number[]): number => {
      const [first, ...rest] = rows;
      if (first === undefined) return 0;
      const taken = free
        .filter((place) => first[place])
        .map(
          (place) =>
            1 +
            best(
              rest,
              free.filter((other) => other !== place),
            ),
        );
      return Math.max(best(rest, free), ...taken);
    };
    fc.assert(
      fc.property(table, (rows) => {
        const truth = [0, 1, 2, 3];
        const counts = matchOneToOne({ predicted: rows, truth }, (row, place) => row[place] === true);
        const hits = best(rows, truth);
        assert.deepEqual(counts, { hits, extra: rows.length - hits, missed: 4 - hits });
      }),
      { numRuns: 200, seed: 3 },
    );
  });
});

describe('detection F1', () => {
  const objects = [
    { name: 'dog', box: LEFT },
    { name: 'dog', box: RIGHT },
  ];

  test('counts each true box once, and boxes with or without phrase', () => {
    const f1 = (answer: string): number => detectionF1([{ objects, answer }]).value;
    assert.equal(f1(`<p>dog</p> ${text(RIGHT)}<delim>${text(LEFT)}`), 1);
    assert.equal(f1(`${text(LEFT)} ${text(RIGHT)}`), 1);
    assert.equal(f1(`<p>dog</p> ${text(LEFT)}<delim>${text(LEFT)}`), 0.5);
    assert.equal(f1(`<p>dog</p> ${text(LEFT)}`), 2 / 3);
    assert.equal(f1(`<p>cat</p> ${text(LEFT)}<delim>${text(RIGHT)}`), 0);
    assert.equal(f1('none'), 0);
  });

  test('silence is right where there is nothing to find', () => {
    assert.equal(detectionF1([{ objects: [], answer: 'none' }]).value, 1);
  });
});

describe('grounding F1', () => {
  const objects = [
    { name: 'apple', box: LEFT },
    { name: 'dog', box: RIGHT },
  ];

  test('needs class and box; adjectives do not change the class', () => {
    const names = ['apple', 'dog'];
    const f1 = (answer: string): number => groundingF1([{ objects, answer }], { names }).value;
    assert.equal(f1(`a <p>red apple</p> ${text(LEFT)} and <p>a dog</p> ${text(RIGHT)}`), 1);
    assert.equal(f1(`a <p>dog</p> ${text(LEFT)} and <p>an apple</p> ${text(RIGHT)}`), 0);
    assert.equal(f1(`<p>apple</p> ${text(LEFT)}`), 2 / 3);
    assert.equal(f1(`${text(LEFT)} ${text(RIGHT)}`), 0);
  });

  test('the class of a phrase is its longest known name, the last among equals', () => {
    const forms = nameForms(['dog', 'house', 'fire truck', 'truck']);
    assert.equal(classOfPhrase('the small dog house', forms), 'house');
    assert.equal(classOfPhrase('A Fire Truck', forms), 'fire truck');
    assert.equal(classOfPhrase('two dogs', forms), 'dog');
    assert.equal(classOfPhrase('hotdog', forms), 'hotdog');
  });
});
