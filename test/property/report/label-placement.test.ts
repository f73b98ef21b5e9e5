/** Labels stay inside the picture and apart from each other, whatever boxes a model answers with. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { placeLabels, type Rectangle, rectangleOf } from '../../../lib/report/label-placement.ts';

const fraction = fc.double({ min: -0.2, max: 1.2, noNaN: true });
const box = fc.tuple(fraction, fraction, fraction, fraction);
const label = fc.oneof(
  fc.constantFrom('dog', 'red apple', 'the small car behind the tall tree on the left of the house', 'Ωмега'),
  fc.string({ maxLength: 40 }),
);
const side = fc.integer({ min: 48, max: 900 });
const picture = fc.record({
  width: side,
  height: side,
  boxes: fc.array(fc.record({ box, label }), { maxLength: 24 }),
});

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

describe('placing labels', () => {
  test('no label leaves the picture or lies on another', () => {
    fc.assert(
      fc.property(picture, (request) => {
        const { labels } = placeLabels(request);
        for (const one of labels) {
          assert.ok(one.x >= 0 && one.y >= 0 && one.width > 0 && one.height > 0, JSON.stringify(one));
          assert.ok(one.x + one.width <= request.width, JSON.stringify(one));
          assert.ok(one.y + one.height <= request.height, JSON.stringify(one));
          for (const other of labels) if (other !== one) assert.ok(!overlap(one, other), JSON.stringify([one, other]));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('none is left out where each could have a row of its own in small letters', () => {
    const room = picture.map((request) => ({
      ...request,
      // Three lines of letters of 8 pixels, and a pixel between labels.
      height: Math.max(request.height, request.boxes.length * 33),
    }));
    fc.assert(
      fc.property(room, (request) => {
        const { labels, leftOut } = placeLabels(request);
        const wanted = request.boxes.filter(({ label: text }) => /[^\s\p{C}\p{Variation_Selector}]/u.test(text));
        assert.deepEqual(leftOut, []);
        assert.ok(labels.length >= wanted.length);
      }),
      { numRuns: 60 },
    );
  });

  test('a label that stands apart has a line from its edge to its box', () => {
    const crowd = fc.record({
      width: fc.integer({ min: 300, max: 600 }),
      height: fc.integer({ min: 300, max: 600 }),
      boxes: fc.array(fc.record({ box, label: fc.constant('the same long name') }), { minLength: 12, maxLength: 16 }),
    });
    let lines = 0;
    fc.assert(
      fc.property(crowd, (request) => {
        for (const one of placeLabels(request).labels) {
          if (one.leader === undefined) continue;
          lines += 1;
          const [x1, y1, x2, y2] = one.leader;
          const target = rectangleOf(request.boxes[one.place]!.box, request);
          assert.ok(x1 >= one.x && x1 <= one.x + one.width && y1 >= one.y && y1 <= one.y + one.height);
          assert.ok(x2 >= target.x - 1e-6 && x2 <= target.x + target.width + 1e-6);
          assert.ok(y2 >= target.y - 1e-6 && y2 <= target.y + target.height + 1e-6);
        }
      }),
      { numRuns: 40 },
    );
    assert.ok(lines > 0, 'some label had to stand apart');
  });
});
