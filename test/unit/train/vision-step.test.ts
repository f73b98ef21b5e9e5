import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { visionShapes } from '../../../lib/model/shapes.ts';
import { disposeParams, trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { evaluatePatches, scorePatches } from '../../../lib/train/vision-accuracy.ts';
import { createPatchModel, type PatchModel, patchModelShapes } from '../../../lib/train/vision-model.ts';
import { startValues } from '../../../lib/train/vision-start.ts';
import { countPatches, type PatchBatch, patchLosses, patchStep } from '../../../lib/train/vision-step.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { KINDS, PATCHES, someScenes, TOWER, tinyScenes, tinyTower } from './tiny-tower.ts';

await openTestEngine();

const valuesOf = (model: PatchModel) =>
  new Map([...model.store].map(([name, tensor]) => [name, Float32Array.from(tensor.dataSync())]));

/** Some updates of a fresh tower; `each` makes the micro-batches of a step. */
async function run(each: (step: number) => PatchBatch[], steps: number, options: { clipNorm?: number } = {}) {
  const model = tinyTower();
  const optimizer = createAdamW(trainableOf(model.store), { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.05 });
  const results = [];
  for (let step = 0; step < steps; step++) {
    const trainable = trainableOf(model.store);
    const microBatches = each(step);
    results.push(await patchStep({ model, trainable, optimizer, microBatches, lr: 0.01, boxWeight: 3, ...options }));
  }
  optimizer.dispose();
  return { model, results };
}

describe('the dense objective', () => {
  const batch = tinyScenes(4, { seed: 5 });

  test('an undecided head costs log(kinds + 1) a patch, and the mean distance of true corners from 0', () => {
    const model = tinyTower();
    for (const head of [model.classHead, model.boxHead]) {
      for (const tensor of [head.weight, head.bias])
        (tensor as ReturnType<typeof tf.variable>).assign(tf.zerosLike(tensor));
    }
    const counts = countPatches([batch]);
    const losses = patchLosses({ model, batch, counts, boxWeight: 3 });
    const mean = batch.boxes.reduce((sum, value) => sum + value, 0) / (4 * counts.covered);
    assert.ok(Math.abs((losses.classes.dataSync()[0] ?? 0) - Math.log(KINDS + 1)) < 1e-5);
    assert.ok(Math.abs((losses.boxes.dataSync()[0] ?? 0) - mean) < 1e-5);
    assert.ok(Math.abs((losses.total.dataSync()[0] ?? 0) - Math.log(KINDS + 1) - 3 * mean) < 1e-5);
    disposeParams(model.store);
  });

  test('boxes of background cost nothing, and a batch without objects has no box loss', async () => {
    const empty = { ...batch, classes: new Uint8Array(batch.classes.length), boxes: batch.boxes.map(() => 0.7) };
    const { model, results } = await run(() => [empty], 1);
    assert.equal(results[0]?.boxLoss, 0);
    assert.equal(results[0]?.covered, 0);
    assert.equal(results[0]?.fault, undefined);
    disposeParams(model.store);
  });

  test('micro-batches of unequal foreground give the update of the whole batch', async () => {
    const parts = [someScenes(batch, 0, 1), someScenes(batch, 1, 4)];
    const one = await run(() => [batch], 2);
    const two = await run(() => parts, 2);
    one.results.forEach((result, step) => {
      const other = two.results[step];
      assert.ok(Math.abs(result.loss - (other?.loss ?? 0)) < 1e-5);
      assert.deepEqual([result.patches, result.covered], [other?.patches, other?.covered]);
    });
    const other = valuesOf(two.model);
    for (const [name, values] of valuesOf(one.model)) {
      // The gradient of attention's keys is a difference of nearly equal sums: AdamW makes its rounding visible.
      assert.ok(relativeError(values, other.get(name) ?? []) < 2e-2, name);
    }
    disposeParams(one.model.store);
    disposeParams(two.model.store);
  });

  test('every weight of the tower and of the head trains, and none of it is left behind', async () => {
    const before = tinyTower();
    const start = valuesOf(before);
    disposeParams(before.store);
    const live = liveTensors().tensors;
    const { model } = await run(() => [batch], 1);
    const still = [...valuesOf(model)].filter(([name, values]) => relativeError(values, start.get(name) ?? []) === 0);
    assert.deepEqual(
      still.map(([name]) => name),
      [],
    );
    disposeParams(model.store);
    assert.equal(liveTensors().tensors, live);
  });

  test('a loss that is not finite is reported and changes no weight', async () => {
    const broken = { ...batch, boxes: batch.boxes.map(() => Number.POSITIVE_INFINITY) };
    const { model, results } = await run(() => [broken], 1);
    assert.equal(results[0]?.fault, 'loss');
    const fresh = tinyTower();
    assert.deepEqual(valuesOf(model), valuesOf(fresh));
    disposeParams(model.store);
    disposeParams(fresh.store);
  });

  test('training on some scenes makes others readable', async () => {
    const heldOut = [tinyScenes(8, { seed: 1001 }), tinyScenes(4, { seed: 1002 })];
    const untrained = tinyTower();
    const before = await evaluatePatches(untrained, heldOut);
    const { model, results } = await run((step) => [tinyScenes(8, { seed: step + 1 })], 60, { clipNorm: 1 });
    const after = await evaluatePatches(model, heldOut);
    assert.equal(after.patches, 12 * PATCHES);
    assert.ok(before.foreground < 0.6, `untrained ${before.foreground}`);
    assert.ok(after.foreground > 0.9, `trained ${after.foreground}`);
    assert.ok(after.boxOverlap > before.boxOverlap + 0.1, `${before.boxOverlap} -> ${after.boxOverlap}`);
    assert.ok((results.at(-1)?.loss ?? 9) < 0.3 * (results[0]?.loss ?? 0));
    disposeParams(model.store);
    disposeParams(untrained.store);
  });
});

test('accuracy counts all patches, and those of objects apart', () => {
  const truth = {
    classes: Uint8Array.of(0, 1, 2, 0),
    boxes: Float32Array.of(0, 0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 1, 1, 0, 0, 0, 0),
  };
  const prediction = {
    logits: Float32Array.of(3, 1, 1, 0, 5, 1, 0, 2, 1, 0, 0, 1),
    boxes: Float32Array.of(9, 9, 9, 9, 0, 0, 0.5, 0.25, 1, 1, 0, 0, 0, 0, 1, 1),
  };
  const expected = { patches: 4, covered: 2, all: 0.5, foreground: 0.5, boxOverlap: 0.25 };
  assert.deepEqual(scorePatches([{ truth, prediction }]), expected);
  const nothing = { truth: { classes: new Uint8Array(0), boxes: new Float32Array(0) }, prediction };
  assert.deepEqual(scorePatches([nothing]), { patches: 0, covered: 0, all: 0, foreground: 0, boxOverlap: 0 });
});

describe('start values of a tower', () => {
  const shapes = patchModelShapes(TOWER, KINDS);
  const at = (name: string, start: 'eva' | 'narrow', seed = 1) => startValues({ seed, name, shapes, start })?.values;
  const deviation = (values: Float32Array) =>
    Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

  test('narrow: matrices by their inputs, what a block adds by half', () => {
    const attention = at('visual_encoder.blocks.0.attn.qkv.weight', 'narrow') ?? new Float32Array(1);
    const residual = at('visual_encoder.blocks.0.attn.proj.weight', 'narrow') ?? new Float32Array(1);
    assert.ok(Math.abs(deviation(attention) * Math.sqrt(8) - 0.8) < 0.15);
    assert.ok(Math.abs(deviation(residual) * Math.sqrt(8) - 0.4) < 0.15);
    assert.notDeepEqual(attention, at('visual_encoder.blocks.1.attn.qkv.weight', 'narrow'));
    assert.notDeepEqual(attention, at('visual_encoder.blocks.0.attn.qkv.weight', 'narrow', 2));
  });

  test('narrow: every place of the grid has its own sines, the cls row none', () => {
    const values = at('visual_encoder.pos_embed', 'narrow') ?? new Float32Array(0);
    const rows = Array.from({ length: 1 + PATCHES }, (_, row) => [...values.subarray(row * 8, row * 8 + 8)].join());
    assert.equal(new Set(rows).size, 1 + PATCHES);
    assert.equal(rows[0], '0,0,0,0,0,0,0,0');
    assert.equal(Math.max(...values), 0.5);
  });

  test('eva: the tower has the model’s own start values; the head is the same in both', () => {
    for (const name of visionShapes(TOWER).keys()) assert.equal(at(name, 'eva'), undefined, name);
    assert.deepEqual(at('patch_head.class.weight', 'eva'), at('patch_head.class.weight', 'narrow'));
    assert.deepEqual([...(at('patch_head.box.bias', 'eva') ?? [])], [0, 0, 0, 0]);
  });

  test('given weights win over them', () => {
    const cls = { shape: [1, 1, 8], values: new Float32Array(8).fill(3) };
    const source = (name: string) => (name.endsWith('cls_token') ? cls : undefined);
    const model = createPatchModel({ config: TOWER, kinds: KINDS, seed: 1, start: 'narrow', source });
    assert.deepEqual(Float32Array.from(model.params.cls.dataSync()), cls.values);
    disposeParams(model.store);
  });
});
