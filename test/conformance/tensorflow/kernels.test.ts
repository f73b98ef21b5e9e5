/** The stock kernels that the model, the optimizer and the gradients call, against arithmetic and the reference backend. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { openEngine } from '../../../lib/engine/engine.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { randomTensor } from '../../support/tensors.ts';
import { assertSameAsReference, openOrReason, prepareReference } from './support.ts';

const skip = await openOrReason();
if (skip === false) prepareReference();

const x = (shape: number[] = [3, 5], seed = 1) => randomTensor(shape, seed);
const positive = (shape: number[] = [3, 5]) => tf.add(tf.abs(x(shape)), 0.1);
const labels = () => tf.tensor1d([3, 0, 4, 3], 'int32');

type Case = readonly [name: string, f: () => Tensor | Tensor[], limit?: number];

const UNARY: readonly Case[] = [
  ['neg', () => tf.neg(x())],
  ['abs', () => tf.abs(x())],
  ['exp', () => tf.exp(x())],
  ['log', () => tf.log(positive())],
  ['sqrt', () => tf.sqrt(positive())],
  ['rsqrt', () => tf.rsqrt(positive())],
  ['square', () => tf.square(x())],
  ['reciprocal', () => tf.reciprocal(positive())],
  ['erf', () => tf.erf(x()), 1e-6],
  ['tanh', () => tf.tanh(x())],
  ['sigmoid', () => tf.sigmoid(x())],
  ['sin and cos', () => [tf.sin(x()), tf.cos(x())]],
  ['floor, ceil, round', () => [tf.floor(x()), tf.ceil(x()), tf.round(x())]],
  ['sign and step', () => [tf.sign(x()), tf.step(x())]],
  ['clip by value', () => tf.clipByValue(x(), -0.5, 0.5)],
  ['is NaN, is finite', () => [tf.isNaN(tf.log(x())), tf.isFinite(tf.log(x()))]],
  ['cast', () => [tf.cast(x(), 'int32'), tf.cast(labels(), 'float32'), tf.cast(tf.greater(x(), 0), 'float32')]],
];

const BINARY: readonly Case[] = [
  ['add, sub, mul, div with broadcast', () => [tf.add, tf.sub, tf.mul, tf.div].map((op) => op(x(), positive([5])))],
  ['maximum, minimum', () => [tf.maximum(x(), x([5], 2)), tf.minimum(x(), x([3, 1], 2))]],
  ['pow', () => tf.pow(positive(), x([5], 2))],
  ['squared difference', () => tf.squaredDifference(x(), x([5], 2))],
  [
    'floorDiv and mod of integers',
    () => [tf.floorDiv(labels(), tf.scalar(2, 'int32')), tf.mod(labels(), tf.scalar(3, 'int32'))],
  ],
  ['comparisons', () => [tf.greater, tf.greaterEqual, tf.less, tf.lessEqual].map((op) => op(x(), x([5], 2)))],
  ['equal, not equal', () => [tf.equal(labels(), 3), tf.notEqual(labels(), 3)]],
  [
    'logical and, or, not',
    () => {
      const [a, b] = [tf.greater(x(), 0), tf.greater(x([3, 5], 2), 0)];
      return [tf.logicalAnd(a, b), tf.logicalOr(a, b), tf.logicalNot(a)];
    },
  ],
  ['where', () => tf.where(tf.greater(x(), 0), x(), x([3, 5], 2))],
  ['add of five-dimensional tensors', () => tf.add(x([2, 2, 2, 3, 4]), x([2, 1, 1, 3, 4], 2))],
];

const REDUCE: readonly Case[] = [
  ['sum', () => [tf.sum(x()), tf.sum(x(), 0), tf.sum(x([2, 3, 4]), [0, 2], true)]],
  ['mean', () => [tf.mean(x()), tf.mean(x(), -1, true)]],
  ['max, min', () => [tf.max(x(), -1, true), tf.min(x(), 0)]],
  ['prod', () => tf.prod(x(), 1)],
  ['argMax, argMin', () => [tf.argMax(x(), -1), tf.argMin(x(), 0)]],
  ['all, any', () => [tf.all(tf.greater(x(), -9)), tf.any(tf.greater(x(), 9), 0)]],
  ['cumulative sum', () => tf.cumsum(x(), 1, true, true)],
  ['softmax', () => tf.softmax(x([2, 3, 7]))],
  ['log-softmax', () => tf.logSoftmax(x())],
  ['log-sum-exp', () => tf.logSumExp(x(), -1)],
  [
    'top k',
    () => {
      const { values, indices } = tf.topk(x([3, 9]), 4);
      return [values, indices];
    },
  ],
];

const SHAPE: readonly Case[] = [
  ['reshape, expandDims, squeeze', () => [tf.reshape(x(), [5, 3]), tf.expandDims(x(), 1), tf.squeeze(x([3, 1, 2]))]],
  ['transpose', () => tf.transpose(x([2, 3, 4, 5]), [0, 2, 1, 3])],
  ['slice', () => [tf.slice(x(), [1, 2], [2, 3]), tf.slice(x([2, 3, 4]), [0, 1, 0], [2, 1, 4])]],
  ['strided slice', () => tf.stridedSlice(x([6, 5]), [0, 1], [6, 5], [2, 3])],
  ['concat, stack, unstack', () => [tf.concat([x(), x([3, 2])], 1), tf.stack([x(), x()]), ...tf.unstack(x([2, 3]))]],
  ['split', () => tf.split(x([4, 6]), [1, 2, 3], 1)],
  [
    'pad',
    () =>
      tf.pad(
        x(),
        [
          [1, 2],
          [0, 3],
        ],
        0.5,
      ),
  ],
  ['tile', () => tf.tile(x(), [2, 3])],
  ['reverse', () => tf.reverse(x(), [1])],
  [
    'gather',
    () => [tf.gather(x(), labels().clipByValue(0, 2).cast('int32')), tf.gather(x(), tf.tensor1d([4, 0], 'int32'), 1)],
  ],
  [
    'gatherND, scatterND',
    () => [
      tf.gatherND(
        x(),
        tf.tensor2d(
          [
            [0, 1],
            [2, 4],
          ],
          [2, 2],
          'int32',
        ),
      ),
      tf.scatterND(tf.tensor2d([[1], [3]], [2, 1], 'int32'), tf.tensor1d([1, 2]), [5]),
    ],
  ],
  ['one-hot', () => tf.oneHot(labels(), 6)],
  ['range, fill, ones, zeros', () => [tf.range(0, 7, 2, 'int32'), tf.fill([2, 2], 3), tf.onesLike(x()), tf.zeros([2])]],
  ['linspace', () => tf.linspace(0, 1, 5)],
  ['unsorted segment sum', () => tf.unsortedSegmentSum(x([4, 5]), labels(), 5)],
  ['band part', () => tf.linalg.bandPart(x([4, 4]), -1, 0)],
];

const PRODUCTS: readonly Case[] = [
  [
    'matMul, all transpositions',
    () => [
      tf.matMul(x([3, 4]), x([4, 5], 2)),
      tf.matMul(x([4, 3]), x([4, 5], 2), true),
      tf.matMul(x([3, 4]), x([5, 4], 2), false, true),
      tf.matMul(x([4, 3]), x([5, 4], 2), true, true),
    ],
  ],
  ['matMul of batches', () => tf.matMul(x([2, 3, 4, 5]), x([2, 3, 5, 6], 2))],
  ['matMul of batches by one matrix', () => tf.matMul(x([2, 3, 4, 5]), x([5, 6], 2))],
  ['einsum', () => tf.einsum('bij,kj->bik', x([2, 3, 4]), x([5, 4], 2))],
  [
    'conv2d with the stride of a patch',
    () => tf.conv2d(x([2, 6, 6, 3]) as never, x([2, 2, 3, 4], 2) as never, 2, 'valid'),
  ],
  ['dot with a vector', () => tf.dot(x([3, 4]), x([4], 2))],
];

const grad = (f: (x: Tensor) => Tensor, input: Tensor) => tf.grad((a) => tf.sum(tf.mul(f(a), f(a))))(input);

const GRADIENTS: readonly Case[] = [
  ['matMul', () => tf.grads((a, b) => tf.sum(tf.square(tf.matMul(a!, b!, false, true))))([x([3, 4]), x([5, 4], 2)])],
  ['mul with broadcast', () => tf.grads((a, b) => tf.sum(tf.mul(a!, b!)))([x(), x([5], 2)])],
  ['div, sqrt, exp, log', () => grad((a) => tf.div(tf.exp(a), tf.sqrt(tf.log(tf.add(2, tf.square(a))))), x())],
  ['rsqrt, erf, tanh, sigmoid', () => grad((a) => tf.mul(tf.erf(a), tf.sigmoid(tf.tanh(a))), x()), 1e-5],
  ['softmax', () => grad((a) => tf.softmax(a), x())],
  ['log-softmax', () => grad((a) => tf.logSoftmax(a), x())],
  ['gather of embedding rows', () => grad((a) => tf.gather(a, tf.tensor1d([1, 1, 0, 2], 'int32')), x())],
  [
    'slice, concat, transpose, reshape',
    () => grad((a) => tf.concat([tf.reshape(tf.transpose(a), [3, 5]), tf.slice(a, [0, 0], [1, 5])], 0), x()),
  ],
  ['mean, max', () => grad((a) => tf.add(tf.mean(a, -1), tf.max(a, -1)), x())],
  [
    'split, stack, pad, tile',
    () =>
      grad(
        (a) =>
          tf.pad(tf.tile(tf.stack(tf.split(a, 3)), [1, 2, 1]), [
            [1, 0],
            [0, 0],
            [0, 0],
          ]),
        x(),
      ),
  ],
  ['where', () => grad((a) => tf.where(tf.greater(x([3, 5], 2), 0), a, tf.mul(a, 0.1)), x())],
];

const GROUPS: readonly (readonly [string, readonly Case[]])[] = [
  ['of one tensor', UNARY],
  ['of two tensors', BINARY],
  ['that reduce', REDUCE],
  ['that change the shape', SHAPE],
  ['that multiply matrices', PRODUCTS],
  ['gradients', GRADIENTS],
];

for (const [group, cases] of GROUPS) {
  describe(`tensorflow: kernels ${group}`, () => {
    for (const [name, f, limit] of cases) {
      test(`${name}: equal to the reference backend`, { skip }, () => assertSameAsReference(f, limit ?? 2e-6));
    }
  });
}

describe('tensorflow: plain arithmetic', () => {
  test('a matrix product equals the sums of products', { skip }, async () => {
    await tf.setBackend('tensorflow');
    const [a, b] = [x([7, 11]), x([11, 5], 2)];
    const [left, right, product] = [a.dataSync(), b.dataSync(), tf.matMul(a, b).dataSync()];
    for (let i = 0; i < 7; i++) {
      for (let j = 0; j < 5; j++) {
        let sum = 0;
        for (let k = 0; k < 11; k++) sum += left[i * 11 + k]! * right[k * 5 + j]!;
        assert.ok(Math.abs(sum - product[i * 5 + j]!) < 1e-5, `element ${i}, ${j}`);
      }
    }
  });

  test('a matrix product broadcasts one inner batch dimension', { skip }, async () => {
    await tf.setBackend('tensorflow');
    // tfjs's cpu backend gets this one wrong, so a tiled operand is the reference.
    const [a, b] = [x([2, 3, 4, 5]), x([2, 1, 5, 6], 2)];
    const difference = tf.sub(tf.matMul(a, b), tf.matMul(a, tf.tile(b, [1, 3, 1, 1])));
    assert.ok(tf.max(tf.abs(difference)).dataSync()[0]! < 1e-6);
  });

  test('a softmax row sums to one even for large scores', { skip }, async () => {
    await tf.setBackend('tensorflow');
    const row = tf.softmax(tf.tensor1d([1000, 1001, -1000])).dataSync();
    assert.ok(Math.abs(row[0]! - 1 / (1 + Math.E)) < 1e-6 && row[2] === 0);
  });

  test('values that are read back are the ones that were written, for every type', { skip }, async () => {
    await tf.setBackend('tensorflow');
    assert.deepEqual([...tf.tensor1d([1.5, -2, 3e30]).dataSync()], [1.5, -2, Math.fround(3e30)]);
    assert.deepEqual([...tf.tensor1d([2 ** 31 - 1, -5], 'int32').dataSync()], [2 ** 31 - 1, -5]);
    assert.deepEqual([...tf.tensor1d([true, false], 'bool').dataSync()], [1, 0]);
    assert.deepEqual([...tf.zeros([0, 3]).dataSync()], []);
  });
});

describe('tensorflow: what it does not have', () => {
  test('a missing kernel is a coded error with its name', { skip }, async () => {
    await tf.setBackend('tensorflow');
    assert.throws(
      () => tf.searchSorted(tf.tensor1d([1, 2, 3]), tf.tensor1d([2])),
      (error) => error instanceof TristageError && error.code === 'E_KERNEL' && error.found === 'SearchSorted',
    );
  });

  test('an engine that is open serves an equal request and refuses another', { skip }, async () => {
    const info = await openEngine({ backend: 'auto', device: 'cpu' });
    assert.equal(info.backend, 'tensorflow');
    const isRefused = (error: unknown) => error instanceof TristageError && error.code === 'E_ENGINE_OPEN';
    await assert.rejects(openEngine({ backend: 'torch', device: 'cpu' }), isRefused);
    await assert.rejects(openEngine({ backend: 'tensorflow', device: 'cpu', threads: info.threads + 1 }), isRefused);
  });
});
