import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tf } from '../../../lib/engine/tf.ts';
import type { ModelBatch, SeenImages } from '../../../lib/model/batch.ts';
import { disposeMiniGpt } from '../../../lib/model/minigpt.ts';
import { seeEach } from '../../../lib/model/see-each.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { seenSize, towerHash } from '../../../lib/model/vision/seen.ts';
import { backward, disposeGradients } from '../../../lib/train/backward.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { TINY, tinyBatch, tinyModel, tinyPixels, withImage } from './tiny-model.ts';

await openTestEngine();
const model = tinyModel();
after(() => disposeMiniGpt(model));

const pixels = tinyPixels(2);
const image = pixels.length / 2;
const rows = [
  { ids: withImage(4, 5, 6, 7), supervised: 3 },
  { ids: withImage(9, 10), supervised: 1 },
];
const { pixels: _, ...texts } = tinyBatch(rows);
/** The third row shows the first row's image. */
const { pixels: __, ...threeTexts } = tinyBatch([...rows, { ids: withImage(3, 8), supervised: 2 }]);
const threeImages = Uint8Array.from([...pixels, ...pixels.subarray(0, image)]);

async function pass(batch: ModelBatch): Promise<{ losses: Float32Array; projector: Float32Array }> {
  const { losses, gradients } = await backward({ model, trainable: trainableOf(model.store), batch });
  const projector = Float32Array.from(await gradients.get('llama_proj.weight')!.data());
  disposeGradients(gradients);
  return { losses, projector };
}

async function seenOf(order: readonly number[]): Promise<SeenImages> {
  return { tokens: await seeEach(model, pixels), order };
}

test('losses and gradients of a batch whose images were seen before are those of its pixels', async () => {
  const direct = await pass({ ...texts, pixels });
  const kept = await pass({ ...texts, seen: await seenOf([0, 1]) });
  assert.ok(relativeError(kept.losses, direct.losses) < 1e-6);
  assert.ok(relativeError(kept.projector, direct.projector) < 1e-5);
});

test('rows of one image share what was seen of it', async () => {
  const direct = await pass({ ...threeTexts, pixels: threeImages });
  const kept = await pass({ ...threeTexts, seen: await seenOf([0, 1, 0]) });
  assert.ok(relativeError(kept.losses, direct.losses) < 1e-6);
  assert.ok(relativeError(kept.projector, direct.projector) < 1e-5);
  const wrong = await pass({ ...threeTexts, seen: await seenOf([0, 1, 1]) });
  assert.ok(relativeError(wrong.losses, direct.losses) > 1e-4);
});

test('what is seen of an image does not depend on the images beside it, and no tensor stays behind', async () => {
  const before = tf.memory().numTensors;
  const together = await seeEach(model, pixels);
  const [second] = await seeEach(model, pixels.subarray(image));
  assert.equal(tf.memory().numTensors, before);
  assert.equal(together[0]?.length, seenSize(TINY.vision));
  assert.deepEqual(together[1], second);
});

test('features of another size, or too few of them, are refused', async () => {
  const { tokens } = await seenOf([0, 1]);
  const short = tokens.map((one) => one.subarray(1));
  await assert.rejects(pass({ ...texts, seen: { tokens: short, order: [0, 1] } }), { code: 'E_PIXELS' });
  await assert.rejects(pass({ ...texts, seen: { tokens, order: [0] } }), { code: 'E_IMAGE_SLOTS' });
});

test('the hash of a tower tells weights and constants apart, and a tower that trains has none', async () => {
  const same = tinyModel();
  const training = tinyModel(TINY, /ln_vision/);
  const hash = await towerHash(model.store, TINY.vision);
  assert.equal(await towerHash(same.store, { ...TINY.vision }), hash);
  assert.notEqual(await towerHash(model.store, { ...TINY.vision, lnEps: 1e-6 }), hash);
  const cls = model.store.get('visual_encoder.cls_token')!;
  const moved = new Map(model.store).set('visual_encoder.cls_token', tf.add(cls, 1));
  assert.notEqual(await towerHash(moved, TINY.vision), hash);
  const other = new Map(model.store).set('llama_proj.bias', tf.ones([TINY.llm.width]));
  assert.equal(await towerHash(other, TINY.vision), hash);
  await assert.rejects(towerHash(training.store, TINY.vision), { code: 'E_FEATURE_CACHE' });
  disposeMiniGpt(same);
  disposeMiniGpt(training);
});
