import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preset } from '../../../lib/model/presets.ts';
import { describePlan, planRun } from '../../../lib/train/plan.ts';

const request = {
  model: preset('minigptv2-7b'),
  trainable: ['projector', 'lora'] as const,
  steps: 1000,
  globalBatch: 64,
  microBatch: 16,
  sources: [
    { source: 'refcoco', task: 'refer', samples: 12_000, rate: 25 },
    { source: 'gqa', task: 'vqa', samples: 48_000, rate: 75 },
  ],
};

test('the released model is counted as published: projector 23,072,768, adapters 33,554,432', () => {
  const plan = planRun(request);
  assert.equal(plan.parameters.projector, 23_072_768);
  assert.equal(plan.parameters.lora, 33_554_432);
  assert.equal(plan.parameters.llm, 6_738_415_616);
  assert.equal(plan.trainable, 23_072_768 + 33_554_432);
  assert.equal(plan.frozen, plan.parameters.vision + plan.parameters.llm);
  assert.equal(plan.tokensPerImage, 256);
});

test('shares and epochs follow from rates, steps and batch', () => {
  const { samples, microBatches, sources } = planRun(request);
  assert.equal(samples, 64_000);
  assert.equal(microBatches, 4);
  assert.deepEqual(
    sources.map(({ share, epochs }) => [share, epochs]),
    [
      [0.25, 16_000 / 12_000],
      [0.75, 1],
    ],
  );
});

test('the plan names every source and what trains', () => {
  const text = describePlan(planRun(request)).join('\n');
  assert.match(text, /56,627,200 train/);
  assert.match(text, /source gqa \(vqa\): 48,000 samples, 75\.0 % of the samples, 1\.00 epochs/);
});

test('lines of one source and task are told apart where something is known that does', () => {
  const [refcoco] = request.sources;
  assert.ok(refcoco);
  const plan = planRun({ ...request, sources: [{ ...refcoco, part: 'split: val' }, refcoco] });
  assert.deepEqual(
    plan.sources.map(({ part }) => part),
    ['split: val', undefined],
  );
  assert.match(describePlan(plan).join('\n'), /source refcoco \(refer, split: val\): .*\nsource refcoco \(refer\): /);
});

test('where steps draw their source, shares of the samples follow from rates and batches', () => {
  const [refcoco, gqa] = request.sources;
  assert.ok(refcoco && gqa);
  const drawn = {
    ...request,
    globalBatch: 3,
    sources: [
      { ...refcoco, batch: 9 },
      { ...gqa, batch: 1 },
    ],
  };
  const { sources, samples } = planRun(drawn);
  assert.deepEqual(
    sources.map(({ share }) => share),
    [0.75, 0.25],
  );
  assert.equal(samples, 3000);
  // The global batch is rounded, the samples of the run are not: 2.75 a step.
  assert.equal(
    planRun({
      ...drawn,
      sources: [
        { ...refcoco, batch: 8 },
        { ...gqa, batch: 1 },
      ],
    }).samples,
    2750,
  );
});
