/** One global batch, packed or not, in one pass or many: one loss, one gradient. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { collate } from '../../../lib/data/collate.ts';
import { collatePacked, type LoadedBatch, microBatches } from '../../../lib/data/loaded-batch.ts';
import { type Example, IGNORE, type ImageRef } from '../../../lib/data/sample.ts';
import { disposeMiniGpt, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { addGradients, backward, disposeGradients, lossTotal } from '../../../lib/train/backward.ts';
import type { LossWeighting } from '../../../lib/train/loss.ts';
import { trainStep } from '../../../lib/train/step.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { TINY, TINY_IMAGE_TOKENS, tinyModel, tinyPixels, withImage } from '../model/tiny-model.ts';

before(openTestEngine);

const IMAGES: readonly ImageRef[] = [{ path: 'a.png' }, { path: 'b.png' }, { path: 'c.png' }];
const pixelsOf = (image: ImageRef): Uint8Array => tinyPixels(1, 40 + IMAGES.indexOf(image));

function example(id: string, image: number | undefined, question: number[], answer: number[]): Example {
  const prompt = image === undefined ? [1, ...question] : withImage(...question);
  return {
    id,
    task: 'vqa',
    tokenIds: Int32Array.from([...prompt, ...answer, 2]),
    labels: Int32Array.from([...prompt.map(() => IGNORE), ...answer, 2]),
    images: image === undefined ? [] : [IMAGES[image] as ImageRef],
    contextLength: prompt.length - 1,
  };
}

const examples = [
  example('a1', 0, [5, 6], [7, 8]),
  example('a2', 0, [5, 9, 10], [11]),
  example('a3', 0, [12], [13, 14, 15, 16, 17]),
  example('b1', 1, [5, 6], [7, 8]),
  example('b2', 1, [18], [19]),
  example('text', undefined, [12, 13], [14, 15, 16]),
  example('c1', 2, [5, 6], [9]),
  example('c2', 2, [5, 20], [9, 21]),
];
const packed = collatePacked({
  examples,
  pixelsOf,
  imageSize: TINY.vision.imageSize,
  imageTokens: TINY_IMAGE_TOKENS,
  packing: { maxTokens: 20 },
});
const plain = collate(examples, {
  pixels: examples.flatMap(({ images }) => images.map(pixelsOf)),
  imageSize: TINY.vision.imageSize,
});

async function gradientsOf(model: MiniGpt, parts: readonly LoadedBatch[], weighting: LossWeighting) {
  const total = parts.reduce((sum, part) => sum + lossTotal(part, weighting), 0);
  const sum: Parameters<typeof addGradients>[0] = new Map();
  let value = 0;
  for (const batch of parts) {
    const passed = await backward({ model, trainable: trainableOf(model.store), batch, total, weighting });
    addGradients(sum, passed.gradients);
    value += passed.value;
  }
  const gradients = new Map([...sum].map(([name, gradient]) => [name, Float32Array.from(gradient?.dataSync() ?? [])]));
  disposeGradients(sum);
  return { value, gradients };
}

for (const weighting of ['token', 'answer-root'] as const) {
  test(`gradients of a packed batch are those of its examples, in one pass or many, weighted by ${weighting}`, async () => {
    const model = tinyModel(TINY, /lora_|llama_proj|embed|norm\.weight/);
    assert.ok(packed.shape[0] > 2 && packed.shape[0] < examples.length);
    const reference = await gradientsOf(model, [plain], weighting);
    for (const parts of [[packed], microBatches(packed, 4), microBatches(packed, 1), microBatches(plain, 3)]) {
      const found = await gradientsOf(model, parts, weighting);
      assert.ok(Math.abs(found.value / reference.value - 1) < 1e-6, `${parts.length} parts: ${found.value}`);
      for (const [name, values] of reference.gradients) {
        const error = relativeError(found.gradients.get(name) ?? [], values);
        assert.ok(error < 2e-6, `${name} of ${parts.length} parts: ${error}`);
      }
    }
    assert.ok(microBatches(packed, 1).length > microBatches(packed, 4).length);
    disposeMiniGpt(model);
  });
}

test('a step tells the losses of packed examples apart as it does rows', async () => {
  const rowsOf = async (batch: LoadedBatch, size: number) => {
    const model = tinyModel();
    const trainable = trainableOf(model.store);
    const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
    const parts = microBatches(batch, size);
    const { rows } = await trainStep({ model, trainable, optimizer, microBatches: parts, step: 0, lr: 0 });
    optimizer.dispose();
    disposeMiniGpt(model);
    return new Map(batch.examples.map(({ id }, place) => [id, rows[place]]));
  };
  const expected = await rowsOf(plain, 8);
  for (const size of [8, 3]) {
    const found = await rowsOf(packed, size);
    assert.equal(found.size, 8);
    for (const [id, row] of expected) {
      assert.equal(found.get(id)?.tokens, row?.tokens, id);
      assert.ok(Math.abs((found.get(id)?.loss ?? 0) - (row?.loss ?? 1)) < 1e-5, id);
    }
  }
});
