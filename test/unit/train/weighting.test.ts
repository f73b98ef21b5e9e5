/** How much the tokens of short and long answers count. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { disposeMiniGpt } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { backward, disposeGradients } from '../../../lib/train/backward.ts';
import { answerWeights } from '../../../lib/train/loss.ts';
import { type StepBatch, type StepOptions, trainStep } from '../../../lib/train/step.ts';
import { openTestEngine } from '../../support/engine.ts';
import { tinyBatch, tinyModel } from '../model/tiny-model.ts';

before(openTestEngine);

const long = { ids: [1, 4, 5, 6, 7, 8], supervised: 4 };
const short = { ids: [1, 9, 10], supervised: 1 };

async function stepOf(microBatches: readonly StepBatch[], options: StepOptions) {
  const model = tinyModel();
  const trainable = trainableOf(model.store);
  const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
  const result = await trainStep({ model, trainable, optimizer, microBatches, step: 0, lr: 0.01, options });
  optimizer.dispose();
  disposeMiniGpt(model);
  return result;
}

test('a token of an answer of n tokens weighs the inverse root of n', () => {
  const labels = Int32Array.of(3, 5, 5, -100, 7, 7, 7, 7, -100, 2, -100, 4);
  const r = Math.fround(2 ** -0.5);
  // The first label of a row is never predicted; the end of a row ends an answer.
  assert.deepEqual([...answerWeights({ labels, shape: [2, 6] })], [r, r, r, r, 1, 1, 1]);
});

test('the loss under answer-root is the weighted mean over the global batch, however it is cut', async () => {
  const whole = await stepOf([tinyBatch([long, short])], { weighting: 'answer-root' });
  const cut = await stepOf([tinyBatch([long]), tinyBatch([short])], { weighting: 'answer-root' });
  const [a = { loss: 0 }, b = { loss: 0 }] = whole.rows;
  const expected = (0.5 * a.loss + b.loss) / (4 * 0.5 + 1);
  assert.ok(Math.abs(whole.loss - expected) < 1e-6, `${whole.loss} for ${expected}`);
  assert.ok(Math.abs(cut.loss - whole.loss) < 1e-6);
  assert.ok(Math.abs(cut.gradNorm / whole.gradNorm - 1) < 1e-5);
  const plain = await stepOf([tinyBatch([long, short])], {});
  assert.ok(Math.abs(plain.loss - (a.loss + b.loss) / 5) < 1e-6);
  assert.ok(Math.abs(plain.gradNorm / whole.gradNorm - 1) > 1e-3);
});

test('answers of equal length have the gradient that equal weights give', async () => {
  const batch = tinyBatch([long, { ids: [1, 11, 12, 13, 14], supervised: 4 }]);
  const plain = await stepOf([batch], { weighting: 'token' });
  const root = await stepOf([batch], { weighting: 'answer-root' });
  assert.ok(Math.abs(plain.loss - root.loss) < 1e-6);
  assert.ok(Math.abs(plain.gradNorm / root.gradNorm - 1) < 1e-5);
});

test('the weighted gradient is that of the weighted losses by finite differences', async () => {
  const model = tinyModel(undefined, /norm\.weight/);
  const trainable = trainableOf(model.store);
  const norm = trainable.get('llama_model.model.norm.weight');
  assert.ok(norm);
  const batch = tinyBatch([long, short]);
  const start = Float32Array.from(norm.dataSync());
  const valueAt = async (shift: number): Promise<number> => {
    const moved = norm.add(Array.from(start, (_, i) => (i === 2 ? shift : 0)));
    norm.assign(moved);
    const { losses, weights, gradients } = await backward({ model, trainable, batch, weighting: 'answer-root' });
    norm.assign(norm.mul(0).add(Array.from(start)));
    disposeGradients(gradients);
    const total = Array.from(weights ?? []).reduce((sum, weight) => sum + weight, 0);
    return losses.reduce((sum, loss, i) => sum + loss * (weights?.[i] ?? 0), 0) / total;
  };
  const step = 1e-2;
  const numeric = ((await valueAt(step)) - (await valueAt(-step))) / (2 * step);
  const { gradients } = await backward({ model, trainable, batch, weighting: 'answer-root' });
  const exact = gradients.get('llama_model.model.norm.weight')?.dataSync()[2] ?? Number.NaN;
  disposeGradients(gradients);
  disposeMiniGpt(model);
  assert.ok(Math.abs(numeric - Number(exact)) < 2e-3 * Math.max(1, Math.abs(numeric)), `${numeric} for ${exact}`);
});
