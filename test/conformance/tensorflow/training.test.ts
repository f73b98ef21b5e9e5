/** Training on TensorFlow: it learns as the reference does, gives the same bits each time, and keeps no tensor. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { nativeTensors } from '../../../lib/engine/tensorflow/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { relativeError } from '../../support/tensors.ts';
import { openOrReason, prepareReference } from './support.ts';
import { digestibleTraining, perceptron } from './training.ts';

const skip = await openOrReason();
if (skip === false) prepareReference();

async function digest(threads: number): Promise<string> {
  const program = fileURLToPath(new URL('./train-digest.ts', import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, String(threads)]);
  assert.equal(stderr, '', 'nothing is written on stderr');
  return stdout;
}

describe('tensorflow: training', () => {
  test('a perceptron learns with the losses of the reference backend', { skip }, async () => {
    await tf.setBackend('cpu');
    const expected = digestibleTraining(20);
    await tf.setBackend('tensorflow');
    const actual = digestibleTraining(20);
    assert.ok(actual.losses.at(-1)! < actual.losses[0]! * 0.5, `losses ${actual.losses}`);
    assert.ok(relativeError(actual.losses, expected.losses) < 1e-5);
    actual.weights.forEach((values, i) => {
      assert.ok(relativeError(values, expected.weights[i]!) < 1e-4, `weights ${i}`);
    });
  });

  test('two processes compute the same bits, and so does one thread instead of two', { skip }, async () => {
    const first = await digest(2);
    assert.match(first, /^digest [0-9a-f]{64} on tensorflow\n$/);
    assert.equal(await digest(2), first);
    assert.equal(await digest(1), first);
  });

  test('a training step leaves no tensor behind, neither in tfjs nor in TensorFlow', { skip }, async () => {
    await tf.setBackend('tensorflow');
    const model = perceptron();
    model.step();
    const [before, native] = [liveTensors(), nativeTensors()];
    for (let i = 0; i < 5; i++) model.step();
    assert.deepEqual(liveTensors(), before);
    assert.equal(nativeTensors(), native);
    model.dispose();
  });

  test('disposing everything leaves TensorFlow with the tensors it had', { skip }, async () => {
    await tf.setBackend('tensorflow');
    const before = nativeTensors();
    digestibleTraining(2);
    assert.equal(nativeTensors(), before);
  });
});
