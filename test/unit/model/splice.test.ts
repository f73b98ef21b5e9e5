import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMAGE_SLOT as DATA_IMAGE_SLOT } from '../../../lib/data/sample.ts';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { IMAGE_SLOT, planSplice, splice } from '../../../lib/model/splice.ts';
import { openTestEngine } from '../../support/engine.ts';

await openTestEngine();

const S = IMAGE_SLOT;
const common = { vocabulary: 10, tokensPerImage: 2 };

test('the model and the data pipeline mean the same by an image slot', () => {
  assert.equal(IMAGE_SLOT, DATA_IMAGE_SLOT);
});

test('slots take image features in order, row after row', () => {
  const tokenIds = Int32Array.of(1, S, S, 4, 1, 5, S, S);
  const { textIds, sources } = planSplice({ ...common, tokenIds, shape: [2, 4], images: 2 });
  assert.deepEqual([...textIds], [1, 0, 0, 4, 1, 5, 0, 0]);
  assert.deepEqual([...(sources ?? [])], [0, 8, 9, 3, 4, 5, 10, 11]);
});

test('a batch of text has no sources', () => {
  assert.equal(planSplice({ ...common, tokenIds: Int32Array.of(1, 2), shape: [1, 2], images: 0 }).sources, undefined);
});

test('a row cut inside its image leaves the images of later rows in their places', () => {
  const tokenIds = Int32Array.of(1, 4, S, 1, S, S);
  const { sources } = planSplice({ ...common, tokenIds, shape: [2, 3], images: 2 });
  assert.deepEqual([...(sources ?? [])], [0, 1, 6, 3, 8, 9]);
});

test('a row that lost a whole image says so by imagesPerRow', () => {
  const tokenIds = Int32Array.of(1, S, S, 1, S, S);
  const request = { ...common, tokenIds, shape: [2, 3] as const, images: 3 };
  assert.throws(() => planSplice(request), { code: 'E_IMAGE_SLOTS' });
  assert.deepEqual([...(planSplice({ ...request, imagesPerRow: [2, 1] }).sources ?? [])], [0, 6, 7, 3, 10, 11]);
});

test('more slots than a row owns, images without slots, and strange ids are refused', () => {
  const tokenIds = Int32Array.of(1, S, S);
  const request = { ...common, tokenIds, shape: [1, 3] as const };
  assert.throws(() => planSplice({ ...request, images: 1, imagesPerRow: [0] }), {
    code: 'E_IMAGE_SLOTS',
    where: 'row 0',
  });
  assert.throws(() => planSplice({ ...request, images: 2 }), { code: 'E_IMAGE_SLOTS' });
  assert.throws(() => planSplice({ ...request, images: 0 }), { code: 'E_IMAGE_SLOTS' });
  for (const id of [10, -1, -100]) {
    assert.throws(() => planSplice({ ...common, tokenIds: Int32Array.of(1, id), shape: [1, 2], images: 0 }), {
      code: 'E_TOKEN_ID',
      found: String(id),
    });
  }
});

test('gradients flow to the words and to the image features that were used, and only to those', () => {
  const text = tf.variable(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]));
  const images = tf.variable(tf.tensor3d([10, 20, 30, 40], [1, 2, 2]));
  const sources = tf.tensor1d([0, 3, 2], 'int32');
  const weights = tf.tensor3d([1, 2, 3, 4, 5, 6], [1, 3, 2]);
  const { value, grads } = valueAndGrads(
    () => tf.sum(tf.mul(splice({ text, images, sources, shape: [1, 3] }), weights)),
    [text, images],
  );
  assert.equal(value.dataSync()[0], 1 + 4 + 30 + 80 + 25 + 36);
  assert.deepEqual([...(grads[0]?.dataSync() ?? [])], [1, 2, 0, 0, 5, 6]);
  assert.deepEqual([...(grads[1]?.dataSync() ?? [])], [3, 4, 0, 0]);
  tf.dispose([value, ...grads.filter((grad) => grad !== null), text, images, sources, weights]);
});
