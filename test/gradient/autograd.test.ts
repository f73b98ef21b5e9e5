/** valueAndGrads and recompute: the same numbers as tfjs's own gradients, less memory, and no leak. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../lib/core/errors.ts';
import { recompute, valueAndGrads } from '../../lib/engine/autograd/index.ts';
import { liveTensors, measurePeak } from '../../lib/engine/memory.ts';
import { adamwUpdates, linear, rmsNorm, swiGlu } from '../../lib/engine/ops/index.ts';
import { type Scalar, type Tensor, tf, type Variable } from '../../lib/engine/tf.ts';
import { openTestEngine } from '../support/engine.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const engine = await openTestEngine();
const WIDTH = 8;

interface Layer {
  norm: Variable;
  gate: Variable;
  up: Variable;
  down: Variable;
}

function makeLayers(count: number): Layer[] {
  return Array.from({ length: count }, (_, i) => ({
    norm: tf.variable(tf.add(1, randomTensor([WIDTH], 10 * i + 1, 0.1))),
    gate: tf.variable(randomTensor([2 * WIDTH, WIDTH], 10 * i + 2, 0.3)),
    up: tf.variable(randomTensor([2 * WIDTH, WIDTH], 10 * i + 3, 0.3)),
    down: tf.variable(randomTensor([WIDTH, 2 * WIDTH], 10 * i + 4, 0.3)),
  }));
}

const variablesOf = (layers: Layer[]) => layers.flatMap((layer) => Object.values(layer) as Variable[]);

function block(x: Tensor, layer: Layer): Tensor {
  return tf.tidy(() => {
    const h = rmsNorm(x, layer.norm, 1e-5);
    return tf.add(x, linear(swiGlu(linear(h, layer.gate), linear(h, layer.up)), layer.down));
  });
}

type Wrap = (x: Tensor, layer: Layer) => Tensor;
const plain: Wrap = block;
const recomputed: Wrap = (x, layer) =>
  recompute((input) => block(input!, layer), [x], Object.values(layer) as Variable[]);

function network(x: Tensor, layers: Layer[], wrap: Wrap): Tensor {
  return tf.tidy(() => tf.mean(tf.square(layers.reduce(wrap, x))));
}

function disposeAll(tensors: readonly (Tensor | null)[]): void {
  for (const tensor of tensors) tensor?.dispose();
}

describe(`autograd on ${engine}`, () => {
  test('gives the gradients of tf.variableGrads on stock operations', () => {
    const layers = makeLayers(3);
    const variables = variablesOf(layers);
    const x = randomTensor([4, WIDTH], 5);
    // Stock tfjs cannot differentiate fused ops whose thunks share one kernel call, so this block has none.
    const stockBlock: Wrap = (input, { norm, gate, up, down }) =>
      tf.tidy(() => {
        const h = tf.mul(tf.div(input, tf.add(1, tf.abs(input))), norm);
        const inner = tf.mul(tf.sigmoid(tf.matMul(h, gate, false, true)), tf.matMul(h, up, false, true));
        return tf.add(input, tf.matMul(inner, down, false, true));
      });
    const stock = tf.variableGrads(() => network(x, layers, stockBlock) as Scalar, variables);
    const ours = valueAndGrads(() => network(x, layers, stockBlock), variables);
    assertClose(ours.value, stock.value, 1e-6, 'value');
    variables.forEach((variable, i) => {
      assertClose(ours.grads[i]!, stock.grads[variable.name]!, 1e-5, `gradient ${i}`);
    });
    disposeAll([x, stock.value, ...Object.values(stock.grads), ours.value, ...ours.grads, ...variables]);
  });

  test('recompute gives the same numbers, also nested', () => {
    const layers = makeLayers(4);
    const variables = variablesOf(layers);
    const x = randomTensor([4, WIDTH], 5);
    const nested = (input: Tensor) => {
      const half = (start: number) => (h: Tensor) =>
        recompute(
          (...args) => layers.slice(start, start + 2).reduce(recomputed, args[0]!),
          [h],
          variablesOf(layers.slice(start, start + 2)),
        );
      return tf.tidy(() => tf.mean(tf.square(half(2)(half(0)(input)))));
    };
    const reference = valueAndGrads(() => network(x, layers, plain), variables);
    for (const run of [() => network(x, layers, recomputed), () => nested(x)]) {
      const other = valueAndGrads(run, variables);
      assert.deepEqual(other.value.dataSync(), reference.value.dataSync());
      other.grads.forEach((grad, i) => {
        assert.deepEqual(grad!.dataSync(), reference.grads[i]!.dataSync(), `gradient ${i}`);
      });
      disposeAll([other.value, ...other.grads]);
    }
    disposeAll([x, reference.value, ...reference.grads, ...variables]);
  });

  test('recompute outside a differentiation just runs the block', () => {
    const [layer] = makeLayers(1);
    tf.tidy(() => {
      const x = randomTensor([2, WIDTH], 3);
      assert.deepEqual(recomputed(x, layer!).dataSync(), plain(x, layer!).dataSync());
    });
    disposeAll(Object.values(layer!) as Variable[]);
  });

  test('a variable that the value does not depend on has a null gradient', () => {
    const used = tf.variable(randomTensor([3], 1));
    const unused = tf.variable(randomTensor([3], 2));
    const { value, grads } = valueAndGrads(() => tf.sum(tf.square(used)), [used, unused]);
    assert.equal(grads[1], null);
    assertClose(grads[0]!, tf.mul(2, used), 1e-6, 'gradient');
    disposeAll([value, grads[0]!, used, unused]);
  });

  test('a variable used several times collects every contribution', () => {
    const w = tf.variable(tf.tensor1d([1, 2, 3]));
    const { value, grads } = valueAndGrads(() => tf.sum(tf.mul(tf.add(w, w), w)), [w]);
    assert.deepEqual([...grads[0]!.dataSync()], [4, 8, 12]);
    disposeAll([value, ...grads, w]);
  });

  test('further results are passed through', () => {
    const w = tf.variable(tf.scalar(3));
    const { value, aux, grads } = valueAndGrads(() => tf.tidy(() => [tf.square(w), tf.add(w, 1)]), [w]);
    assert.deepEqual([value.dataSync()[0], aux[0]!.dataSync()[0], grads[0]!.dataSync()[0]], [9, 4, 6]);
    disposeAll([value, ...aux, ...grads, w]);
  });

  test('a value that is no scalar is refused with a code', () => {
    const w = tf.variable(randomTensor([3], 1));
    assert.throws(
      () => valueAndGrads(() => tf.square(w), [w]),
      (error) => error instanceof TristageError && error.code === 'E_GRADIENT',
    );
    w.dispose();
  });

  test('a training step leaves no tensor behind, also when the function throws', () => {
    const layers = makeLayers(3);
    const variables = variablesOf(layers);
    const x = randomTensor([4, WIDTH], 5);
    const moments = variables.map((v) => [tf.variable(tf.zerosLike(v)), tf.variable(tf.zerosLike(v))] as const);
    const update = (step: number) => {
      const { value, grads } = valueAndGrads(() => network(x, layers, recomputed), variables);
      variables.forEach((param, i) => {
        const [m, v] = moments[i]!;
        adamwUpdates([
          {
            param,
            grad: grads[i]!,
            m,
            v,
            lr: 1e-2,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weightDecay: 0.05,
            step,
          },
        ]);
      });
      const loss = value.dataSync()[0]!;
      disposeAll([value, ...grads]);
      return loss;
    };
    const first = update(1);
    const before = liveTensors();
    let last = first;
    for (let step = 2; step < 6; step++) last = update(step);
    assert.throws(() =>
      valueAndGrads(() => {
        network(x, layers, plain);
        throw new Error('stop');
      }, variables),
    );
    assert.deepEqual(liveTensors(), before);
    assert.ok(last < first, `loss fell from ${first} to ${last}`);
    disposeAll([x, ...moments.flat(), ...variables]);
  });

  test('a gradient that throws leaves no tensor behind', () => {
    const w = tf.variable(randomTensor([4, WIDTH], 1));
    const broken = tf.customGrad((x) => ({
      value: tf.square(x as Tensor),
      gradFunc: () => {
        throw new RangeError('no room');
      },
    }));
    const before = liveTensors();
    // Both ways to w have a gradient by then: one that is done and one that waits.
    const value = () => tf.tidy(() => tf.sum(tf.add(tf.mul(broken(tf.square(w)), w), w)));
    assert.throws(() => valueAndGrads(value, [w]), /no room/);
    assert.deepEqual(liveTensors(), before);
    disposeAll([w]);
  });

  test('a chain of sums keeps none of its terms for the backward pass', () => {
    const start = tf.variable(randomTensor([64, 64], 1));
    const term = randomTensor([64, 64], 2);
    const chain = () => {
      let x: Tensor = tf.add(start, term);
      for (let i = 0; i < 10; i++) {
        const next = tf.tidy(() => tf.reshape(tf.sub(tf.add(x, term), term), [64, 64]));
        x.dispose();
        x = next;
      }
      return tf.sum(x);
    };
    const { result, peak } = measurePeak(() => valueAndGrads(chain, [start]));
    assert.ok(peak.bytes < 6 * start.size * 4, `${peak.bytes / (start.size * 4)} tensors at once`);
    disposeAll([start, term, result.value, ...result.grads]);
  });

  test('the backward pass peaks at most 25 % above the forward pass', () => {
    const layers = makeLayers(8);
    const variables = variablesOf(layers);
    const x = randomTensor([64, WIDTH], 5);
    let forward = 0;
    const start = liveTensors().bytes;
    const { result, peak } = measurePeak(() =>
      valueAndGrads(() => {
        const y = network(x, layers, plain);
        forward = liveTensors().bytes - start;
        return y;
      }, variables),
    );
    const gradientBytes = variables.reduce((sum, v) => sum + v.size * 4, 0);
    assert.ok(
      peak.bytes <= 1.25 * forward + gradientBytes,
      `peak ${peak.bytes}, forward ${forward}, gradients ${gradientBytes}`,
    );
    disposeAll([x, result.value, ...result.grads, ...variables]);
  });
});
