import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveTensors } from '../../../lib/engine/memory.ts';
import type { ModelBatch } from '../../../lib/model/batch.ts';
import { disposeMiniGpt, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { addGradients, backward, disposeGradients } from '../../../lib/train/backward.ts';
import { referenceUpdates, type StepOptions, type StepResult, trainStep } from '../../../lib/train/step.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { TINY, tinyBatch, tinyModel, tinyPixels, withImage } from '../model/tiny-model.ts';

await openTestEngine();

const whole = tinyBatch([
  { ids: withImage(4, 5, 6, 7), supervised: 3 },
  { ids: withImage(9, 10), supervised: 1 },
]);
const size = TINY.vision.imageSize ** 2 * 3;
const pixels = tinyPixels(2);
const parts: ModelBatch[] = [
  { ...tinyBatch([{ ids: withImage(4, 5, 6, 7), supervised: 3 }]), pixels: pixels.subarray(0, size) },
  { ...tinyBatch([{ ids: withImage(9, 10), supervised: 1 }]), pixels: pixels.subarray(size) },
];

interface Outcome {
  results: StepResult[];
  weights: Map<string, Float32Array>;
}

/** Some steps on a fresh model. */
async function run(request: {
  microBatches: readonly ModelBatch[];
  options?: StepOptions;
  steps?: number;
  lr?: number;
  model?: MiniGpt;
}): Promise<Outcome> {
  const { microBatches, options, steps = 1, lr = 0.01, model = tinyModel() } = request;
  const trainable = trainableOf(model.store);
  const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
  const results: StepResult[] = [];
  for (let step = 0; step < steps; step++) {
    results.push(await trainStep({ model, trainable, optimizer, microBatches, step, lr, options }));
  }
  const weights = new Map([...trainable].map(([name, value]) => [name, Float32Array.from(value.dataSync())]));
  optimizer.dispose();
  disposeMiniGpt(model);
  return { results, weights };
}

test('a step lowers the loss of what it was shown', async () => {
  const { results } = await run({ microBatches: [whole], steps: 8, lr: 0.03, model: tinyModel(TINY, /^llama/) });
  assert.ok((results[7]?.loss ?? 9) < 0.5 * (results[0]?.loss ?? 0), results.map(({ loss }) => loss).join(' '));
  assert.ok(results.every(({ fault, tokens }) => fault === undefined && tokens === 4));
});

test('micro-batches of unequal token counts give the update of the whole batch', async () => {
  const dropout = { rate: 0.3, seed: 5 };
  const one = await run({ microBatches: [whole], options: { dropout }, steps: 2 });
  const two = await run({ microBatches: parts, options: { dropout }, steps: 2 });
  one.results.forEach((result, i) => {
    assert.ok(Math.abs(result.loss - (two.results[i]?.loss ?? 0)) < 1e-5);
    assert.ok(Math.abs(result.gradNorm / (two.results[i]?.gradNorm ?? 0) - 1) < 1e-4);
    assert.deepEqual(
      two.results[i]?.rows.map(({ tokens }) => tokens),
      [3, 1],
    );
  });
  for (const [name, values] of one.weights) {
    assert.ok(relativeError(values, two.weights.get(name) ?? []) < 1e-3, name);
  }
});

test('rows report their own summed losses', async () => {
  const { results } = await run({ microBatches: [whole] });
  const [result] = results;
  const total = result?.rows.reduce((sum, row) => sum + row.loss, 0) ?? 0;
  assert.ok(Math.abs(total / 4 - (result?.loss ?? 0)) < 1e-6);
});

test('a sum of means weighs each micro-batch alike, as the reference accumulates', async () => {
  const model = tinyModel();
  const trainable = trainableOf(model.store);
  const sum: Parameters<typeof addGradients>[0] = new Map();
  for (const batch of parts) addGradients(sum, (await backward({ model, trainable, batch })).gradients);
  const expected = Math.sqrt(
    [...sum.values()].reduce(
      (total, grad) => total + Float32Array.from(grad?.dataSync() ?? []).reduce((s, v) => s + v * v, 0),
      0,
    ),
  );
  disposeGradients(sum);
  disposeMiniGpt(model);
  const { results } = await run({ microBatches: parts, options: { accumulation: 'sum-of-means' } });
  assert.ok(Math.abs((results[0]?.gradNorm ?? 0) / expected - 1) < 1e-5);
  const mean = await run({ microBatches: parts });
  assert.ok(Math.abs((mean.results[0]?.gradNorm ?? 0) / expected - 1) > 1e-2);
});

test('clipping reports the norm before it and changes the update only when the norm is larger', async () => {
  const plain = await run({ microBatches: [whole] });
  const norm = plain.results[0]?.gradNorm ?? 0;
  const loose = await run({ microBatches: [whole], options: { clipNorm: 2 * norm } });
  assert.deepEqual(loose.weights, plain.weights);
  // AdamW divides a constant factor out again, except where eps is not small beside the gradient.
  const tight = await run({ microBatches: [whole], options: { clipNorm: norm * 1e-7 } });
  assert.equal(tight.results[0]?.gradNorm, norm);
  assert.notDeepEqual(tight.weights, plain.weights);
});

test('a loss that is not finite is reported and changes no weight', async () => {
  const broken = () => {
    const model = tinyModel();
    const head = model.store.get('llama_model.model.norm.weight');
    assert.ok(head);
    return { ...model, params: { ...model.params, llama: { ...model.params.llama, norm: head.mul(Number.NaN) } } };
  };
  const model = broken();
  const before = new Map(
    [...trainableOf(model.store)].map(([name, value]) => [name, Float32Array.from(value.dataSync())]),
  );
  const { results, weights } = await run({ microBatches: parts, model });
  model.params.llama.norm.dispose();
  assert.equal(results[0]?.fault, 'loss');
  assert.deepEqual(weights, before);
});

test('a gradient that is not finite is reported and changes no weight', async () => {
  const model = tinyModel(TINY, /llama_proj|norm\.weight/);
  // Products of the forward stay finite; the gradient's squares do not.
  const norm = trainableOf(model.store).get('llama_model.model.norm.weight');
  const huge = norm?.mul(1e30);
  assert.ok(norm && huge);
  norm.assign(huge);
  huge.dispose();
  const before = Float32Array.from(norm.dataSync());
  const { results, weights } = await run({ microBatches: [whole], model });
  assert.ok(Number.isFinite(results[0]?.loss));
  assert.equal(results[0]?.fault, 'gradient');
  assert.deepEqual(weights.get('llama_model.model.norm.weight'), before);
});

test('a global batch without any supervised token is reported', async () => {
  const silent = { ...whole, labels: whole.labels.map(() => -100) };
  const { results } = await run({ microBatches: [silent] });
  assert.deepEqual([results[0]?.fault, results[0]?.tokens], ['no-tokens', 0]);
  const beside = await run({ microBatches: [silent, parts[1] as ModelBatch] });
  assert.deepEqual([beside.results[0]?.fault, beside.results[0]?.tokens], [undefined, 1]);
});

test('steps leave no tensor behind, faults included', async () => {
  const before = liveTensors().tensors;
  await run({
    microBatches: parts,
    steps: 2,
    options: { clipNorm: 0.1, recompute: true, dropout: { rate: 0.1, seed: 1 } },
  });
  await run({ microBatches: [{ ...whole, labels: whole.labels.map(() => -100) }] });
  assert.equal(liveTensors().tensors, before);
});

test('the reference counts accumulation within an epoch', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((step) => referenceUpdates(step, 2, 3)),
    [false, true, false, false, true, false],
  );
  assert.ok([0, 1, 2].every((step) => referenceUpdates(step, 1, 3)));
});
