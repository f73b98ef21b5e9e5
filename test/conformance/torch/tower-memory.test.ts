/** The estimate of an update of the vision tower is what the engine's own count of live tensors finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../../../lib/engine/engine.ts';
import { native } from '../../../lib/engine/torch/binding.ts';
import { gridSide, type VisionConfig } from '../../../lib/model/config.ts';
import { disposeParams, trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { towerStepMemory } from '../../../lib/train/tower-memory.ts';
import { evaluatePatches } from '../../../lib/train/vision-accuracy.ts';
import { createPatchModel, type PatchModel } from '../../../lib/train/vision-model.ts';
import { type PatchBatch, patchStep } from '../../../lib/train/vision-step.ts';

await openEngine({ backend: 'torch', device: 'cpu', threads: 1 });

const TOWER: VisionConfig = {
  ...{ imageSize: 56, patch: 14, width: 48, depth: 3, heads: 2, mlpHidden: 192, eps: 1e-6, lnEps: 1e-5 },
};
const ENGINE = { backend: 'torch', device: 'cpu', precision: 'float32' } as const;

function scenes(vision: VisionConfig, images: number, kinds: number): PatchBatch {
  const patches = images * gridSide(vision) ** 2;
  return {
    pixels: Uint8Array.from({ length: images * 3 * vision.imageSize ** 2 }, (_, i) => (i * 7919) % 251),
    classes: Uint8Array.from({ length: patches }, (_, i) => i % (kinds + 1)),
    boxes: Float32Array.from({ length: 4 * patches }, (_, i) => (i % 9) / 9),
  };
}

interface Case {
  name: string;
  tower?: Partial<VisionConfig>;
  images: number;
  passes?: number;
  kinds?: number;
  clips?: boolean;
  fullest: string;
}

const CASES: Case[] = [
  { name: 'with many images', images: 24, fullest: 'forward' },
  { name: 'with layer scale and one bias for q, k and v', images: 24, tower: { layerScale: true }, fullest: 'forward' },
  { name: 'with a wide feed-forward layer', images: 16, tower: { mlpHidden: 480 }, fullest: 'backward' },
  { name: 'with many kinds of object', images: 16, kinds: 250, tower: { depth: 1, patch: 7 }, fullest: 'loss' },
  { name: 'with large patches', images: 8, tower: { imageSize: 224, patch: 56, depth: 1 }, fullest: 'upload' },
  { name: 'in several passes', images: 4, passes: 2, tower: { width: 96 }, fullest: 'backward' },
  { name: 'with few tokens', images: 8, passes: 2, tower: { depth: 1, width: 96, imageSize: 28 }, fullest: 'update' },
  { name: 'in passes of one image', images: 1, passes: 2, tower: { width: 160 }, fullest: 'update' },
  { name: 'with one image, clipping', images: 1, tower: { width: 96 }, clips: true, fullest: 'update' },
];

function made(vision: VisionConfig, kinds: number): PatchModel {
  return createPatchModel({ config: vision, kinds, seed: 1, start: 'narrow' });
}

for (const { name, images, passes = 1, kinds = 8, clips = false, fullest, tower } of CASES) {
  test(`the estimate is the peak of the tensors ${name}`, async () => {
    const vision = { ...TOWER, ...tower };
    const before = native().stats()[1];
    const model = made(vision, kinds);
    const trainable = trainableOf(model.store);
    const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
    const fixed = native().stats()[1] - before;
    native().resetPeak();
    const microBatches = Array.from({ length: passes }, () => scenes(vision, images, kinds));
    const clipNorm = clips ? 1e-6 : undefined;
    await patchStep({ model, trainable, optimizer, microBatches, lr: 1e-3, boxWeight: 3, clipNorm });
    const measured = native().stats()[2] - before;
    optimizer.dispose();
    disposeParams(model.store);
    const estimate = towerStepMemory({ vision, kinds, engine: ENGINE, measured: 0 }, { images, passes });
    assert.equal(estimate.parameters.trainable + estimate.optimizer, fixed);
    assert.equal(estimate.fullest, fullest);
    // What does not depend on the moment is left out, so that it cannot hide a wrong sum.
    const ratio = (estimate.peak - fixed) / (measured - fixed);
    assert.ok(Math.abs(ratio - 1) <= 0.02, `${estimate.peak - fixed} estimated, ${measured - fixed} counted: ${ratio}`);
  });
}

test('the estimate covers held-out images, which may be more than pass at once in training', async () => {
  const before = native().stats()[1];
  const model = made(TOWER, 8);
  native().resetPeak();
  await evaluatePatches(model, [scenes(TOWER, 32, 8)]);
  const measured = native().stats()[2] - before;
  disposeParams(model.store);
  const settings = { vision: TOWER, kinds: 8, engine: ENGINE, measured: 32 };
  const estimate = towerStepMemory(settings, { images: 1, passes: 1 });
  assert.equal(estimate.fullest, 'measure');
  const ratio = (estimate.peak - estimate.optimizer) / measured;
  assert.ok(Math.abs(ratio - 1) <= 0.05, `${estimate.peak - estimate.optimizer} estimated, ${measured} counted`);
});
