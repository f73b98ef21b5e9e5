import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Box,
  clipBox,
  formatBox,
  formatBoxes,
  formatPhrase,
  fromCoco,
  iou,
  parseBox,
  parseBoxes,
  parsePhrases,
  toPixels,
} from '../../../lib/data/boxes.ts';

test('a box is cut toward zero by default and rounded on request', () => {
  const box: Box = [0.259, 0.404, 0.687, 0.975];
  assert.equal(formatBox(box), '{<25><40><68><97>}');
  assert.equal(formatBox(box, 'round'), '{<26><40><69><98>}');
});

test('the right and lower edge is written as 100, and values beyond the image move to its edge', () => {
  assert.equal(formatBox([0, 0, 1, 1]), '{<0><0><100><100>}');
  assert.equal(formatBox([-0.2, -1e-9, 1.0000001, 3]), '{<0><0><100><100>}');
});

test('a box with a value that is no number is refused', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    assert.throws(() => formatBox([0, 0, value, 1]), { code: 'E_BOX' });
  }
});

test('COCO corners are computed as the original does: sum of pixels, then division', () => {
  assert.equal(formatBox(fromCoco([205.58, 365, 190.63, 188.29], { width: 480, height: 640 })), '{<42><57><82><86>}');
  assert.throws(() => fromCoco([0, 0, 1, 1], { width: 0, height: 5 }), { code: 'E_BOX' });
});

test('several boxes are joined by the delimiter and come back in order', () => {
  const boxes: Box[] = [
    [0, 0, 0.5, 0.5],
    [0.1, 0.2, 0.3, 1],
  ];
  const text = formatPhrase('two cats', boxes);
  assert.equal(text, '<p>two cats</p> {<0><0><50><50>}<delim>{<10><20><30><100>}');
  assert.deepEqual(parsePhrases(text), [{ phrase: 'two cats', boxes }]);
  assert.deepEqual(parseBoxes(formatBoxes(boxes)), boxes);
});

test('text that is not exactly one box is not read as one', () => {
  for (const text of [
    '',
    '{<1><2><3>}',
    '{<1><2><3><4>} x',
    '{<1><2><3><101>}',
    '{<-1><2><3><4>}',
    '{<1.5><2><3><4>}',
    '{<1000><2><3><4>}',
  ]) {
    assert.equal(parseBox(text), undefined, text);
  }
  assert.deepEqual(parseBox(' {<1><2><3><4>} '), [0.01, 0.02, 0.03, 0.04]);
});

test('a grounded caption gives each phrase with its own boxes', () => {
  const text = '<p>a dog</p> {<1><2><3><4>} beside <p>a cat</p> {<5><6><7><8>}<delim>{<9><9><10><10>} on grass';
  assert.deepEqual(
    parsePhrases(text).map(({ phrase, boxes }) => [phrase, boxes.length]),
    [
      ['a dog', 1],
      ['a cat', 2],
    ],
  );
});

test('a phrase without a box does not swallow the next one', () => {
  assert.deepEqual(parsePhrases('<p>a sky</p> over <p>a dog</p> {<1><2><3><4>}'), [
    { phrase: 'a dog', boxes: [[0.01, 0.02, 0.03, 0.04]] },
  ]);
});

test('long hostile texts are searched to their end without a result', () => {
  for (const text of ['<p>', '<p>x</p> ', '{<1><2><3>', '<p>a</p>{<1><2><3><400>']) {
    assert.deepEqual(parsePhrases(text.repeat(20000)), []);
    assert.deepEqual(parseBoxes(text.repeat(20000)), []);
  }
});

test('overlap is that of areas; the reference form counts one pixel more on each side', () => {
  assert.equal(iou([0, 0, 2, 2], [1, 1, 3, 3]), 1 / 7);
  assert.equal(iou([0, 0, 2, 2], [1, 1, 3, 3], 'inclusive-pixels'), 4 / 14);
  assert.equal(iou([0, 0, 1, 1], [1, 0, 2, 1]), 0);
  assert.equal(iou([0, 0, 1, 1], [1, 0, 2, 1], 'inclusive-pixels'), 2 / 6);
});

test('boxes without area and boxes with swapped corners overlap nothing', () => {
  assert.equal(iou([0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]), 0);
  assert.equal(iou([0.6, 0.6, 0.1, 0.1], [0, 0, 1, 1]), 0);
});

test('clipping keeps what is inside and drops what is not', () => {
  assert.deepEqual(clipBox([-0.5, 0.2, 0.5, 1.5]), [0, 0.2, 0.5, 1]);
  assert.equal(clipBox([1.1, 0, 1.4, 1]), undefined);
});

test('fractions become pixels of the same image again', () => {
  assert.deepEqual(toPixels([0.25, 0.5, 0.75, 1], { width: 640, height: 480 }), [160, 240, 480, 480]);
});
