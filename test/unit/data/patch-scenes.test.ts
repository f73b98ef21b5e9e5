import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { emojiScenes } from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import { openPatches } from '../../../datasets/emoji-scenes/open-patches.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { openPatchThread, type PatchScenes, type PatchThread } from '../../../lib/data/patch-scenes.ts';

const options = {
  source: 'emoji-scenes',
  imageSize: 32,
  minSide: 12,
  maxSide: 16,
  classes: ['dog', 'car', 'tree'],
  count: 5,
  seed: 3,
};
const request = { module: emojiScenes.patches ?? '', options, imageSize: 32, grid: 4 };

describe('images with the truth of each patch, from a thread', () => {
  let thread: PatchThread;
  let direct: PatchScenes;
  before(async () => {
    thread = await openPatchThread(request);
    direct = await openPatches(request);
  });
  after(() => thread.close());

  test('the facts are those of the source', () => {
    assert.deepEqual(thread.kinds, ['dog', 'car', 'tree']);
    assert.equal(thread.length, 5);
    assert.equal(thread.fingerprint, direct.fingerprint);
  });

  test('images in a row are those that the source draws one by one, in any order of asking', async () => {
    const [later, first] = await Promise.all([thread.draw('train', 2, 2), thread.draw('train', 0, 2)]);
    [first, later].forEach((images, part) => {
      [0, 1].forEach((place) => {
        const scene = direct.scene('train', 2 * part + place);
        assert.deepEqual(images.pixels.slice(place * 3072, (place + 1) * 3072), scene.pixels);
        assert.deepEqual(images.classes.slice(place * 16, (place + 1) * 16), scene.classes);
        assert.deepEqual(images.boxes.slice(place * 64, (place + 1) * 64), scene.boxes);
      });
    });
    assert.ok(first.classes.some((kind) => kind > 0) && first.classes.every((kind) => kind <= 3));
  });

  test('training images begin anew after the last; held-out ones are others and go on', async () => {
    const around = await thread.draw('train', 4, 2);
    assert.deepEqual(around.pixels.slice(3072), direct.scene('train', 0).pixels);
    const heldOut = await thread.draw('heldout', 0, 7);
    assert.deepEqual(heldOut.pixels.slice(6 * 3072), direct.scene('heldout', 6).pixels);
    assert.notDeepEqual(heldOut.pixels.slice(0, 3072), direct.scene('train', 0).pixels);
  });
});

test('options that do not fit are refused with their code, through the thread', async () => {
  const refused = (own: object, message: RegExp) =>
    assert.rejects(openPatchThread({ ...request, options: { ...options, ...own } }), (error: unknown) => {
      assert.ok(error instanceof TristageError);
      assert.equal(error.code, 'E_SOURCE_OPTIONS');
      assert.match(error.message, message);
      return true;
    });
  await refused({ imageSize: 64 }, /imageSize 64 is not the 32/);
  await refused({ split: 'heldout' }, /held-out/);
  await refused({ minSide: 30, maxSide: 20 }, /minSide 30 is above maxSide 20/);
});

test('other scenes have another fingerprint, whatever else the line of the mixture says', async () => {
  const fingerprint = async (own: object, grid = 4) =>
    (await openPatches({ options: { ...options, ...own }, imageSize: 32, grid })).fingerprint;
  const [same, rate, seed, count, kinds, grid] = await Promise.all([
    fingerprint({}),
    fingerprint({ rate: 7, task: 'vqa' }),
    fingerprint({ seed: 4 }),
    fingerprint({ count: 6 }),
    fingerprint({ classes: ['dog', 'car', 'fish'] }),
    fingerprint({}, 8),
  ]);
  assert.equal(same, rate);
  assert.equal(new Set([same, seed, count, kinds, grid]).size, 5);
});

test('a thread that was closed refuses work', async () => {
  const thread = await openPatchThread(request);
  await thread.close();
  await assert.rejects(thread.draw('train', 0, 1), { code: 'E_PATCH_WORKER' });
});

test('a module that cannot be loaded is an error, not a thread that hangs', async () => {
  await assert.rejects(openPatchThread({ ...request, module: new URL('./no-such-module.ts', import.meta.url).href }));
});
