/** Tensors of the torch engine live exactly as long as tfjs says, and are read back as they were. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { adamwUpdates, linear, rmsNorm } from '../../../lib/engine/ops/index.ts';
import { type Scalar, tf, type Variable } from '../../../lib/engine/tf.ts';
import { native } from '../../../lib/engine/torch/binding.ts';
import { randomTensor } from '../../support/tensors.ts';
import { openOrReason } from './support.ts';

const skip = await openOrReason();

/** One training step of two layers with a norm between them; returns the loss. */
function trainingStep(weights: Variable[], moments: Variable[], step: number): number {
  const [first, scale, second] = weights as [Variable, Variable, Variable];
  const { value, grads } = valueAndGrads(() => {
    const hidden = rmsNorm(linear(randomTensor([32, 16], 5), first), scale, 1e-5);
    return tf.mean(tf.square(linear(hidden, second))) as Scalar;
  }, weights);
  weights.forEach((param, i) => {
    const [m, v] = [moments[2 * i]!, moments[2 * i + 1]!];
    const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1, step };
    adamwUpdates([{ param, grad: grads[i]!, m, v, ...attrs }]);
  });
  const loss = value.dataSync()[0]!;
  tf.dispose([value, ...grads.map((grad) => grad!)]);
  return loss;
}

describe('torch: memory', { skip }, () => {
  test('training steps gain no tensor and no byte, in tfjs and in libtorch, and the loss falls', () => {
    const start = native().stats().slice(0, 2);
    tf.tidy(() => {
      const shapes = [[24, 16], [24], [8, 24]];
      const weights = shapes.map((shape, i) => tf.variable(randomTensor(shape, i + 1))) as Variable[];
      const moments = shapes.flatMap((shape) => [tf.variable(tf.zeros(shape)), tf.variable(tf.zeros(shape))]);
      const first = tf.tidy(() => trainingStep(weights, moments as Variable[], 1));
      const [tensors, bytes] = native().stats();
      const numTensors = tf.memory().numTensors;
      let last = first;
      for (let step = 2; step <= 20; step++) last = tf.tidy(() => trainingStep(weights, moments as Variable[], step));
      assert.deepEqual(native().stats().slice(0, 2), [tensors, bytes]);
      assert.equal(tf.memory().numTensors, numTensors);
      assert.ok(last < 0.8 * first, `loss ${first} to ${last}`);
      tf.dispose([...weights, ...moments]);
    });
    assert.deepEqual(native().stats().slice(0, 2), start);
  });

  test('the same training gives the same bits again', () => {
    const train = () =>
      tf.tidy(() => {
        const shapes = [[48, 16], [48], [8, 48]];
        const weights = shapes.map((shape, i) => tf.variable(randomTensor(shape, i + 1))) as Variable[];
        const moments = shapes.flatMap((shape) => [tf.variable(tf.zeros(shape)), tf.variable(tf.zeros(shape))]);
        const losses = [1, 2, 3, 4].map((step) => tf.tidy(() => trainingStep(weights, moments as Variable[], step)));
        const values = weights.map((weight) => [...weight.dataSync()]);
        tf.dispose([...weights, ...moments]);
        return { losses, values } as never;
      });
    assert.deepEqual(train(), train());
  });

  test('AdamW works in place: the memory of parameter and moments does not move', () => {
    const make = (seed: number) => tf.tidy(() => tf.variable(tf.abs(randomTensor([64, 64], seed)))) as Variable;
    const [param, m, v] = [make(1), make(2), make(3)];
    const grad = randomTensor([64, 64], 4);
    native().resetPeak();
    const [, before] = native().stats();
    const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, step: 1 };
    adamwUpdates([{ param, grad, m, v, ...attrs }]);
    assert.deepEqual(native().stats().slice(1), [before, before], 'the peak of the update is what was alive before it');
    tf.dispose([param, m, v, grad]);
  });

  test('a view keeps the memory of its base and counts its bytes once', () => {
    const [tensors, bytes] = native().stats();
    const base = tf.zeros([100, 100]);
    const view = tf.transpose(base);
    assert.deepEqual(native().stats().slice(0, 2), [tensors + 2, bytes + 40000]);
    base.dispose();
    assert.deepEqual(native().stats().slice(0, 2), [tensors + 1, bytes + 40000]);
    view.dispose();
    assert.deepEqual(native().stats().slice(0, 2), [tensors, bytes]);
  });

  test('a small slice does not keep a large tensor alive', () => {
    const [, bytes] = native().stats();
    const base = tf.zeros([1000, 100]);
    const row = tf.slice(base, [3, 0], [1, 100]);
    base.dispose();
    assert.equal(native().stats()[1], bytes + 400);
    row.dispose();
  });

  test('an asynchronous read gives the values of its moment, though the tensor is disposed or updated meanwhile', async () => {
    const values = Float32Array.from({ length: 100000 }, (_, i) => i);
    const tensor = tf.tensor1d(values);
    const read = tensor.data();
    tensor.dispose();
    assert.deepEqual(await read, values);

    const [param, m, v] = [tf.variable(tf.ones([1000])), tf.variable(tf.zeros([1000])), tf.variable(tf.zeros([1000]))];
    const before = param.data();
    const grad = tf.ones([1000]);
    const attrs = { lr: 0.5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, step: 1 };
    adamwUpdates([{ param, grad, m, v, ...attrs } as Parameters<typeof adamwUpdates>[0][0]]);
    assert.deepEqual(await before, new Float32Array(1000).fill(1));
    assert.ok(Math.abs(param.dataSync()[0]! - 0.5) < 1e-5);
    tf.dispose([param, m, v, grad]);
  });

  test('many reads at once all arrive', async () => {
    const tensors = Array.from({ length: 50 }, (_, i) => tf.fill([1000], i));
    const all = await Promise.all(tensors.map((tensor) => tensor.data()));
    for (const [i, values] of all.entries()) assert.ok(values.length === 1000 && values.every((value) => value === i));
    tf.dispose(tensors);
  });

  test('types survive the way there and back, halves are widened', () => {
    const handle = native().fromData(Float32Array.of(1.5, -2, 65504), 'float32', [3], 'float16', 'cpu');
    assert.equal(native().dtype(handle), 'Half');
    assert.deepEqual(native().read(handle), Float32Array.of(1.5, -2, 65504));
    native().release(handle);
    const brain = native().fromData(
      new Uint8Array(Uint16Array.of(0x3fc0, 0xc000).buffer),
      'bfloat16',
      [2],
      'bfloat16',
      'cpu',
    );
    assert.deepEqual(native().read(brain), Float32Array.of(1.5, -2));
    native().release(brain);
    tf.tidy(() => {
      assert.deepEqual(tf.tensor1d([1, -7], 'int32').dataSync(), Int32Array.of(1, -7));
      assert.deepEqual(tf.tensor1d([true, false], 'bool').dataSync(), Uint8Array.of(1, 0));
      assert.deepEqual(tf.zeros([0, 3]).dataSync(), new Float32Array(0));
    });
  });

  test('tensors made on another backend move when they are used', async () => {
    await tf.setBackend('cpu');
    const made = tf.tensor1d([1, 2, 3]);
    await tf.setBackend('torch');
    const [tensors] = native().stats();
    const doubled = tf.mul(made, 2);
    assert.deepEqual([...doubled.dataSync()], [2, 4, 6]);
    tf.dispose([made, doubled]);
    // 2, as a tensor, is gone with its scope; the moved one with its disposal.
    assert.ok(native().stats()[0] <= tensors + 1);
  });
});
