import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import {
  arrange,
  cellsOf,
  coveredShare,
  objectLimit,
  splitOfArrangement,
} from '../../../datasets/emoji-scenes/arrangement.ts';
import { loadArt, seenExtent } from '../../../datasets/emoji-scenes/art.ts';
import { DEFAULT_CLASSES, KIND_GROUPS, KINDS } from '../../../datasets/emoji-scenes/kinds.ts';
import { composeScene } from '../../../datasets/emoji-scenes/scene.ts';
import { sha256 } from '../../../lib/core/hash.ts';
import type { Box } from '../../../lib/data/boxes.ts';
import { patchTruth } from '../../../lib/data/patch-truth.ts';
import { OPTIONS, paintedArt, realArt, squareArt } from './emoji-support.ts';

const range = (count: number) => Array.from({ length: count }, (_, place) => place);
const names = (count: number, options = OPTIONS) =>
  range(count).map((index) => {
    const art = squareArt();
    return cellsOf(arrange(art, options, index), art, options.imageSize)
      .map(({ name, column, row }) => `${name}@${column},${row}`)
      .sort()
      .join(' ');
  });

describe('scenes of emoji', () => {
  test('no two kinds share a name, a plural or an icon, and the unseen ones are no part of the wide group', () => {
    for (const key of ['name', 'plural', 'icon'] as const) {
      assert.equal(new Set(KINDS.map((kind) => kind[key])).size, KINDS.length, key);
    }
    assert.deepEqual([...KIND_GROUPS.wide, ...KIND_GROUPS.unseen].sort(), KINDS.map(({ name }) => name).sort());
    assert.deepEqual(KIND_GROUPS.wide.slice(0, 8), DEFAULT_CLASSES);
  });

  test('every stamp touches all four edges of its rectangle at every size and in every kind', async () => {
    const art = await loadArt({ classes: KINDS.map(({ name }) => name), minSide: 12, maxSide: 40 });
    for (const [kind, { name }] of art.kinds.entries()) {
      for (const side of range(29).map((step) => 12 + step)) {
        const stamp = art.stamp(kind, side);
        const { left, top, right, bottom } = seenExtent(stamp);
        assert.deepEqual([left, top, right, bottom], [0, 0, stamp.width, stamp.height], `${name} at ${side}`);
        const long = Math.max(stamp.width, stamp.height);
        assert.ok(long <= side && long >= side - 2, `${name} at ${side}: ${stamp.width} x ${stamp.height}`);
      }
    }
  });

  test('a box is exactly the extent of what was drawn', async () => {
    const art = await realArt();
    const [dark, light] = [paintedArt(art, 0), paintedArt(art, 255)];
    const options = { ...OPTIONS, maxObjects: 1 };
    for (const index of range(60)) {
      const scene = composeScene(dark, options, index);
      const other = composeScene(light, options, index);
      let [left, top, right, bottom] = [112, 112, 0, 0];
      for (let pixel = 0; pixel < 112 * 112; pixel++) {
        // Only where an object lies do the two colours differ; an alpha of 32 makes at least 27 of it.
        if (other.image.pixels[pixel * 3]! - scene.image.pixels[pixel * 3]! < 27) continue;
        const [x, y] = [pixel % 112, Math.floor(pixel / 112)];
        [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      }
      const box = scene.objects[0]!.box.map((value) => Math.round(value * 112));
      assert.deepEqual(box, [left, top, right, bottom], `scene ${index}`);
    }
  });

  test('scenes differ from each other and keep their boxes inside', async () => {
    const art = await realArt();
    const pixels = new Set<string>();
    for (const index of range(40)) {
      const { image, objects } = composeScene(art, OPTIONS, index);
      pixels.add(sha256(image.pixels));
      for (const { box } of objects) assert.ok(box[0] >= 0 && box[1] >= 0 && box[2] <= 1 && box[3] <= 1);
    }
    assert.equal(pixels.size, 40);
  });

  test('another process draws the same bytes', () => {
    const script = `
      const { composeScene } = await import('./datasets/emoji-scenes/scene.ts');
      const { realArt, OPTIONS } = await import('./test/unit/datasets/emoji-support.ts');
      const { createHash } = await import('node:crypto');
      const art = await realArt();
      const hash = createHash('sha256');
      for (const split of ['train', 'heldout']) for (const seed of [0, 7]) for (let i = 0; i < 10; i++) {
        const { image, ...rest } = composeScene(art, { ...OPTIONS, split, seed }, i * 101);
        hash.update(image.pixels).update(JSON.stringify(rest));
      }
      process.stdout.write(hash.digest('hex'));`;
    const run = () => {
      const done = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        encoding: 'utf8',
      });
      assert.equal(done.status, 0, done.stderr);
      return done.stdout;
    };
    const first = run();
    assert.match(first, /^[0-9a-f]{64}$/);
    assert.equal(run(), first);
  });

  test('the arrangements of equal stamps are the recorded ones', () => {
    assert.equal(sha256(names(200).join('\n')), '9647199e4e30c2b07cd2466e8301cd2280f8c483f1313e1b9eccadf69019c63e');
    assert.equal(
      sha256(names(200, { ...OPTIONS, split: 'heldout', seed: 5 }).join('\n')),
      'cdd4ce990203ebdef176812976e562ae46d78b0b043b1c919e117f926cb47541',
    );
  });

  test('no held-out arrangement occurs in training, whatever the seeds', () => {
    const train = new Set([0, 1, 2].flatMap((seed) => names(1500, { ...OPTIONS, seed })));
    const heldOut = [0, 1, 9].flatMap((seed) => names(300, { ...OPTIONS, seed, split: 'heldout' }));
    assert.deepEqual(
      heldOut.filter((name) => train.has(name)),
      [],
    );
    assert.ok(train.size > 3000, 'the check would mean little over a handful of arrangements');
  });

  test('the split of an arrangement does not depend on the order of its objects, and an eighth is held out', () => {
    let heldOut = 0;
    const kinds = ['dog', 'car', 'tree', 'apple', 'star', 'fish', 'house', 'butterfly'];
    for (const name of kinds) {
      for (let cell = 0; cell < 64; cell++) {
        const one = { name, column: cell % 8, row: Math.floor(cell / 8) };
        const two = { name: 'dog', column: 3, row: 5 };
        assert.equal(splitOfArrangement([one, two]), splitOfArrangement([two, one]));
        if (splitOfArrangement([one]) === 'heldout') heldOut++;
      }
    }
    assert.equal(heldOut, (kinds.length * 64) / 8);
  });

  test('one, two and three objects are equally frequent, and about one crowded scene in seven repeats a kind', () => {
    const art = squareArt();
    const scenes = range(3000).map((index) => arrange(art, OPTIONS, index));
    for (const count of [1, 2, 3]) {
      const share = scenes.filter((placed) => placed.length === count).length / scenes.length;
      assert.ok(Math.abs(share - 1 / 3) < 0.04, `${count} objects: ${share}`);
    }
    const crowded = scenes.filter((placed) => placed.length > 1);
    const repeats = crowded.filter((placed) => new Set(placed.map(({ kind }) => kind)).size < placed.length);
    assert.ok(Math.abs(repeats.length / crowded.length - 0.15) < 0.03, `${repeats.length / crowded.length}`);
  });

  test('objects hardly cover each other', () => {
    const art = squareArt();
    for (const index of range(500)) {
      const placed = arrange(art, OPTIONS, index);
      for (const [place, one] of placed.entries()) {
        for (const other of placed.slice(0, place)) assert.ok(coveredShare(one, other) <= 0.05);
      }
    }
  });

  test('the first scenes are easy where that is asked for', () => {
    const options = { ...OPTIONS, easyFirst: 300 };
    assert.deepEqual(
      [0, 99, 100, 200, 299, 300, 5000].map((index) => objectLimit(options, index)),
      [1, 1, 2, 3, 3, 3, 3],
    );
    for (const index of range(100)) assert.equal(arrange(squareArt(), options, index).length, 1);
  });

  test('objects that cannot fit are a config error, not an endless search', () => {
    const art = squareArt(70, 80);
    assert.throws(() => arrange(art, { ...OPTIONS, minObjects: 3 }, 0), { code: 'E_SCENE', kind: 'config' });
  });
});

describe('dense truth of patches', () => {
  const names = ['a', 'b', 'c', 'd'];
  const thing = (name: string, box: Box) => ({ name, box });

  test('a patch belongs to the object that covers most of it, from 30 % on', () => {
    const objects = [
      thing('c', [0, 0, 0.3, 0.25]),
      thing('unknown', [0, 0, 1, 1]),
      thing('a', [0.3, 0, 0.5, 0.25]),
      thing('d', [0.575, 0.5, 0.8, 0.75]),
    ];
    const { classes, boxes } = patchTruth(objects, { names, patches: 4 });
    assert.deepEqual([...classes], [3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0]);
    assert.deepEqual([...boxes.slice(4, 8)], [...Float32Array.from([0.3, 0, 0.5, 0.25])]);
    assert.deepEqual([...boxes.slice(8, 12)], [0, 0, 0, 0]);
  });

  test('of two objects that cover a patch alike the upper one owns it', () => {
    const objects = [thing('a', [0, 0, 1, 1]), thing('b', [0, 0, 1, 1])];
    assert.deepEqual([...patchTruth(objects, { names, patches: 2 }).classes], [2, 2, 2, 2]);
  });

  test('classes agree with counted pixels on real scenes', async () => {
    const art = await realArt();
    for (const index of range(80)) {
      const scene = composeScene(art, OPTIONS, index);
      const { classes, boxes } = patchTruth(scene.objects, { names: DEFAULT_CLASSES, patches: 8 });
      for (let patch = 0; patch < 64; patch++) {
        const [x, y] = [(patch % 8) * 14, Math.floor(patch / 8) * 14];
        const counts = scene.objects.map(({ box }) => {
          const [l, t, r, b] = box.map((value) => Math.round(value * 112)) as [number, number, number, number];
          const inside = (at: number) =>
            x + (at % 14) >= l && x + (at % 14) < r && y + Math.floor(at / 14) >= t && y + Math.floor(at / 14) < b;
          return range(196).filter(inside).length;
        });
        const most = Math.max(...counts);
        const owner = most >= 0.3 * 196 ? scene.objects[counts.lastIndexOf(most)] : undefined;
        assert.equal(classes[patch], owner === undefined ? 0 : owner.kind + 1);
        const expected = owner === undefined ? [0, 0, 0, 0] : [...Float32Array.from(owner.box)];
        assert.deepEqual([...boxes.subarray(patch * 4, patch * 4 + 4)], expected);
      }
    }
  });
});
