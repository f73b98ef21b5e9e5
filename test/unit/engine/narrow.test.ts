/** Tensors that lie in bfloat16 behind a logical float32: what may be done with them, and what it costs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { measurePeak } from '../../../lib/engine/memory.ts';
import { isNarrow, narrowTensor } from '../../../lib/engine/narrow.ts';
import { linear, loraLinear, maskedCrossEntropy, patchEmbed } from '../../../lib/engine/ops/index.ts';
import { storedIn } from '../../../lib/engine/precision.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { bfloat16ToFloat32, float32ToBfloat16 } from '../../../lib/formats/half.ts';
import { openTestEngine } from '../../support/engine.ts';
import { normals, randomTensor } from '../../support/tensors.ts';

const skip = (await openTestEngine()) === 'cpu' ? 'this backend holds float32 alone' : false;

/** A matrix twice: in bfloat16, and the same numbers in float32. */
function pair(shape: number[], seed: number): { narrow: Tensor; wide: Tensor } {
  const next = normals(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const words = float32ToBfloat16(Float32Array.from({ length: size }, () => 0.3 * next()));
  return { narrow: narrowTensor(words, shape), wide: tf.tensor(bfloat16ToFloat32(words), shape) };
}

/** Fails unless `f` gives the same bits for a matrix in bfloat16 and for the same numbers in float32. */
function assertSame(shape: number[], f: (weight: Tensor) => Tensor[]): void {
  tf.tidy(() => {
    const { narrow, wide } = pair(shape, 5);
    const results = f(narrow);
    f(wide).forEach((expected, i) => {
      assert.deepEqual(results[i]!.shape, expected.shape);
      assert.deepEqual(results[i]!.dataSync(), expected.dataSync());
    });
  });
}

/** Value and gradient by `x` of the squares of an operation. */
function withGradient(shape: number[], op: (x: Tensor) => Tensor): Tensor[] {
  const x = tf.variable(randomTensor(shape, 9));
  const { value, grads } = valueAndGrads(() => tf.sum(tf.square(op(x))), [x]);
  x.dispose();
  return [value, ...grads.map((grad) => grad!)];
}

describe('tensors in bfloat16', { skip }, () => {
  test('words come back as they went in, and float32 is rounded to nearest, ties to even', async () => {
    const values = Float32Array.of(0, -0, 1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1e-40, 3e38, Number.POSITIVE_INFINITY, 0.1);
    const words = float32ToBfloat16(values);
    const expected = Array.from(bfloat16ToFloat32(words));
    for (const tensor of [narrowTensor(words, [3, 3]), narrowTensor(values, [3, 3])]) {
      assert.ok(isNarrow(tensor));
      assert.equal(tensor.dtype, 'float32');
      assert.deepEqual(Array.from(await tensor.data()), expected);
      assert.deepEqual(Array.from(tensor.dataSync()), expected);
      tensor.dispose();
    }
    const notANumber = narrowTensor(Float32Array.of(Number.NaN), [1]);
    assert.ok(Number.isNaN(notANumber.dataSync()[0]));
    notANumber.dispose();
  });

  test('linear maps and their gradients have the bits of float32 with the same numbers', () => {
    assertSame([6, 4], (weight) => withGradient([2, 3, 4], (x) => linear(x, weight)));
    assertSame([6, 4], (weight) => withGradient([40, 4], (x) => linear(x, weight)));
    const [a, b] = [randomTensor([2, 4], 1), randomTensor([6, 2], 2)];
    assertSame([6, 4], (weight) => withGradient([2, 3, 4], (x) => loraLinear({ x, weight, a, b, scaling: 0.5 })));
    tf.dispose([a, b]);
  });

  test('so have patches, rows of an embedding, the tied head behind them, and plain operations', () => {
    const pixels = randomTensor([2, 3, 4, 4], 3);
    const bias = randomTensor([5], 4);
    assertSame([5, 3, 2, 2], (weight) => [patchEmbed({ pixels, weight, bias })]);
    const ids = tf.tensor1d([4, 0, 4], 'int32');
    const labels = tf.tensor1d([1, -1, 3], 'int32');
    assertSame([5, 4], (table) => [
      tf.gather(table, ids),
      maskedCrossEntropy(linear(tf.gather(table, ids), table), labels),
    ]);
    assertSame([2, 6], (x) => [
      tf.add(x, 1),
      tf.tile(x, [2, 1]),
      tf.concat([x, tf.zerosLike(x)], 1),
      tf.transpose(x),
      ...tf.split(x, 3, 1),
      tf.slice(x, [0, 1], [2, 2]),
      tf.sum(x, 1),
      tf.cast(x, 'int32'),
    ]);
    tf.dispose([pixels, bias, ids, labels]);
  });

  test('a float32 copy lives as long as one kernel, and the tape keeps none', () => {
    const { narrow, wide } = pair([64, 64], 6);
    const run = (weight: Tensor) => {
      const x = tf.variable(randomTensor([1, 64], 7));
      const layers = () => tf.sum(Array.from({ length: 8 }).reduce<Tensor>((y) => linear(y, weight), x));
      const { result, peak } = measurePeak(() => valueAndGrads(layers, [x]));
      tf.dispose([result.value, ...result.grads.map((grad) => grad!), x]);
      return peak.bytes;
    };
    const copy = 64 * 64 * 4;
    const extra = run(narrow) - run(wide);
    assert.ok(extra > copy / 2 && extra <= copy, `${extra} bytes for copies of ${copy}`);
    tf.dispose([narrow, wide]);
  });

  test('a clone shares the words, and what is left after all are freed is nothing', () => {
    const before = tf.memory().numTensors;
    const { narrow, wide } = pair([3, 3], 8);
    const clone = narrow.clone();
    narrow.dispose();
    assert.ok(isNarrow(clone));
    assert.deepEqual(clone.dataSync(), wide.dataSync());
    tf.dispose([clone, wide]);
    assert.equal(tf.memory().numTensors, before);
  });
});

test('what multiplies as a matrix and does not train takes the precision, everything else is float32', () => {
  const of = (shape: number[], frozen = true) => storedIn({ precision: 'bf16', shape, frozen });
  assert.deepEqual([of([8, 4]), of([8, 3, 2, 2])], ['bf16', 'bf16']);
  assert.deepEqual([of([8]), of([1, 9, 8]), of([8, 4], false)], ['float32', 'float32', 'float32']);
  assert.equal(storedIn({ precision: 'float32', shape: [8, 4], frozen: true }), 'float32');
});
