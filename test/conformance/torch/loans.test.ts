/** Memory that the engine lends for values to be read into, and takes back as a tensor without a copy. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lendBytes } from '../../../lib/engine/lend.ts';
import { narrowTensor } from '../../../lib/engine/narrow.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { native } from '../../../lib/engine/torch/binding.ts';
import { openOrReason } from './support.ts';

const skip = await openOrReason();
/** Large enough to be lent. */
const COUNT = 1 << 18;

function lentFloats(): Float32Array<ArrayBuffer> {
  const values = new Float32Array(lendBytes(4 * COUNT).buffer);
  for (let i = 0; i < COUNT; i++) values[i] = i / 8;
  return values;
}

describe('torch: lent memory', { skip }, () => {
  test('a tensor of values in lent memory holds them, and the array is empty afterwards', () => {
    const values = lentFloats();
    const tensor = tf.tensor(values, [512, COUNT / 512], 'float32');
    assert.equal(values.length, 0);
    assert.deepEqual([...tensor.dataSync().slice(-2)], [(COUNT - 2) / 8, (COUNT - 1) / 8]);
    tensor.dispose();
  });

  test('bfloat16 words in lent memory become a tensor in bfloat16', () => {
    const words = new Uint16Array(lendBytes(2 * COUNT * 2).buffer).fill(0x3fc0);
    const tensor = narrowTensor(words, [2 * COUNT]);
    assert.equal(words.length, 0);
    assert.deepEqual([...tensor.dataSync().slice(7, 9)], [1.5, 1.5]);
    tensor.dispose();
  });

  test('a variable that was read into lent memory is updated in place, as any other', () => {
    const start = tf.tensor(lentFloats(), [COUNT], 'float32');
    const variable = tf.variable(start);
    start.dispose();
    variable.assign(tf.tidy(() => tf.add(variable, 1)));
    assert.equal(variable.dataSync()[8], 2);
    variable.dispose();
  });

  test('an array over a part of lent memory is copied and stays', () => {
    const values = lentFloats();
    const tensor = tf.tensor(values.subarray(4, 8), [4], 'float32');
    assert.equal(values.length, COUNT);
    assert.deepEqual([...tensor.dataSync()], [0.5, 0.625, 0.75, 0.875]);
    tensor.dispose();
  });

  test('a shape that does not fit lent memory is refused', () => {
    const values = lentFloats();
    assert.throws(() => native().fromData(values, 'float32', [COUNT + 1], 'float32', 'cpu'), /does not fit|shape/);
  });

  test('a little memory, and memory that nobody takes, is an array like any other', () => {
    const small = lendBytes(16);
    assert.deepEqual([...small], new Array(16).fill(0));
    const [, before] = native().stats();
    lendBytes(4 * COUNT).fill(1);
    assert.equal(native().stats()[1], before);
  });
});
