/** Questions asked in the middle of training change nothing about it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { summarise } from '../../../lib/eval/metrics/summary.ts';
import { disposeMiniGpt, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { evaluateModel } from '../../../lib/run/eval.ts';
import type { Evaluation } from '../../../lib/run/eval-data.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { trainStep } from '../../../lib/train/step.ts';
import { openTestEngine } from '../../support/engine.ts';
import { fewQuestions, SHORT, wordyModel } from '../eval/eval-support.ts';
import { tinyBatch } from '../model/tiny-model.ts';

await openTestEngine();
const model = wordyModel();
after(() => disposeMiniGpt(model));
const evaluation: Evaluation = {
  settings: { sources: [], batch: 4, maxNewTokens: SHORT, seed: 0 },
  samples: await fewQuestions(3),
  tokenizer: await llama2Tokenizer(),
  transform: 'pillow-bicubic',
  fingerprint: '',
  notes: [],
};

test('equal models give equal figures and answers; the control has answers of its own', async () => {
  const first = await evaluateModel({ model, evaluation, control: true });
  const second = await evaluateModel({ model, evaluation, control: true });
  assert.deepEqual(second, first);
  assert.deepEqual(first.metrics, summarise(first.answers));
  assert.equal(first.metrics.tasks.refer?.n, 3);
  const said = (answers: typeof first.answers) => answers.map(({ answer }) => answer);
  assert.notDeepEqual(said(first.shuffled?.answers ?? []), said(first.answers));
  assert.equal((await evaluateModel({ model, evaluation })).shuffled, undefined);
});

test('progress counts the questions of the control too', async () => {
  const seen: number[] = [];
  let most = 0;
  await evaluateModel({
    model,
    evaluation,
    control: true,
    onProgress: (done, all) => {
      seen.push(done);
      most = all;
    },
  });
  assert.equal(most, 2 * evaluation.samples.length);
  assert.equal(seen.at(-1), most);
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
});

/** Weights after two updates, with questions between them or without. */
async function trained(between: (model: MiniGpt) => Promise<void>): Promise<Map<string, Float32Array>> {
  const own = wordyModel();
  const trainable = trainableOf(own.store);
  const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
  const batch = { ...tinyBatch([{ ids: [1, 5, 6, 7, 8], supervised: 3 }]) };
  const options = { dropout: { rate: 0.2, seed: 3 } };
  for (const step of [0, 1]) {
    await trainStep({ model: own, trainable, optimizer, microBatches: [batch], step, lr: 0.01, options });
    if (step === 0) await between(own);
  }
  const weights = new Map([...trainable].map(([name, value]) => [name, Float32Array.from(value.dataSync())]));
  optimizer.dispose();
  disposeMiniGpt(own);
  return weights;
}

test('training goes on after an evaluation bit for bit as without, and no tensor stays behind', async () => {
  let left = Number.NaN;
  const asked = await trained(async (own) => {
    const before = liveTensors().tensors;
    await evaluateModel({ model: own, evaluation, control: true });
    left = liveTensors().tensors - before;
  });
  assert.equal(left, 0);
  assert.deepEqual(asked, await trained(async () => {}));
});
