import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arrange, cellsOf, coveredShare, splitOfArrangement } from '../../datasets/emoji-scenes/arrangement.ts';
import { KINDS } from '../../datasets/emoji-scenes/kinds.ts';
import { composeScene } from '../../datasets/emoji-scenes/scene.ts';
import { patchTruth } from '../../lib/data/patch-truth.ts';
import { OPTIONS, squareArt } from '../unit/datasets/emoji-support.ts';

const scenes = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  index: fc.integer({ min: 0, max: 1e9 }),
  split: fc.constantFrom('train' as const, 'heldout' as const),
  imageSize: fc.integer({ min: 48, max: 130 }),
  maxObjects: fc.integer({ min: 1, max: 4 }),
  repeat: fc.double({ min: 0, max: 1, noNaN: true }),
  classes: fc.shuffledSubarray(
    KINDS.map(({ name }) => name),
    { minLength: 4 },
  ),
  least: fc.integer({ min: 6, max: 12 }),
  more: fc.integer({ min: 0, max: 8 }),
});

test('every scene of every seed is pure, keeps its objects inside and apart, and lies in its own split', () => {
  fc.assert(
    fc.property(scenes, ({ index, classes, least, more, ...own }) => {
      const art = squareArt(least, least + more, classes);
      const options = { ...OPTIONS, ...own };
      const placed = arrange(art, options, index);
      assert.deepEqual(arrange(art, options, index), placed);
      assert.ok(placed.length >= 1 && placed.length <= own.maxObjects);
      for (const [place, one] of placed.entries()) {
        assert.ok(one.left >= 0 && one.top >= 0);
        assert.ok(one.left + one.width <= own.imageSize && one.top + one.height <= own.imageSize);
        for (const other of placed.slice(0, place)) assert.ok(coveredShare(one, other) <= 0.05);
      }
      assert.equal(splitOfArrangement(cellsOf(placed, art, own.imageSize)), own.split);
    }),
    { numRuns: 150 },
  );
});

test('dense truth names only objects of the scene, each with its own box', () => {
  fc.assert(
    fc.property(scenes, fc.integer({ min: 1, max: 12 }), ({ index, classes, least, more, ...own }, patches) => {
      const scene = composeScene(squareArt(least, least + more, classes), { ...OPTIONS, ...own }, index);
      const { classes: found, boxes } = patchTruth(scene.objects, { names: classes, patches });
      assert.equal(found.length, patches ** 2);
      for (const [patch, label] of found.entries()) {
        const box = boxes.subarray(patch * 4, patch * 4 + 4);
        const owner = scene.objects.some(
          (one) => one.kind + 1 === label && Float32Array.from(one.box).every((edge, at) => edge === box[at]),
        );
        assert.ok(label === 0 ? box.every((edge) => edge === 0) : owner);
      }
    }),
    { numRuns: 60 },
  );
});
