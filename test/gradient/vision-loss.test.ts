/** The dense objective of the vision tower against finite differences, weight by weight. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { valueAndGrads } from '../../lib/engine/autograd/index.ts';
import { tf, type Variable } from '../../lib/engine/tf.ts';
import { disposeParams, trainableOf } from '../../lib/model/store.ts';
import { countPatches, patchLosses } from '../../lib/train/vision-step.ts';
import { openTestEngine } from '../support/engine.ts';
import { normals } from '../support/tensors.ts';
import { tinyScenes, tinyTower } from '../unit/train/tiny-tower.ts';

await openTestEngine();

/** Long enough to stand out of float32's rounding, short enough that few distances change their sign on the way. */
const STEP = 2e-3;

const unit = (values: Float32Array): Float32Array => {
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
};

test('along a direction of every weight, half its gradient and half random, the gradient is the slope of the loss', () => {
  const model = tinyTower();
  const batch = tinyScenes(2, { seed: 3, noise: 60 });
  const counts = countPatches([batch]);
  const next = normals(11);
  // A head that has an opinion, so that gradients reach the tower at full size.
  for (const { weight } of [model.classHead, model.boxHead]) {
    const values = Float32Array.from({ length: weight.size }, () => 0.5 * next());
    (weight as Variable).assign(tf.tensor(values, weight.shape as [number, number]));
  }
  const loss = () => patchLosses({ model, batch, counts, boxWeight: 3 }).total;
  const trainable = trainableOf(model.store);
  const { value, grads } = valueAndGrads(loss, [...trainable.values()]);
  value.dispose();
  [...trainable].forEach(([name, variable], i) => {
    const grad = grads[i];
    assert.ok(grad, `${name} is reached`);
    const start = Float32Array.from(variable.dataSync());
    const slopes = grad.dataSync<'float32'>();
    const [steepest, random] = [unit(slopes), unit(start.map(() => next()))];
    const direction = unit(start.map((_, k) => (steepest[k] ?? 0) + (random[k] ?? 0)));
    const at = (sign: number): number => {
      const moved = start.map((weight, k) => weight + sign * STEP * (direction[k] ?? 0));
      variable.assign(tf.tensor(moved, variable.shape));
      return tf.tidy(() => loss().dataSync()[0] ?? Number.NaN);
    };
    const slope = (at(1) - at(-1)) / (2 * STEP);
    variable.assign(tf.tensor(start, variable.shape));
    const expected = slopes.reduce((sum, part, k) => sum + part * (direction[k] ?? 0), 0);
    assert.ok(Math.abs(slope - expected) < 2e-3 + 0.02 * Math.abs(expected), `${name}: ${slope}, not ${expected}`);
  });
  disposeParams(model.store);
});
