/** Every plain kernel of the torch engine against tfjs's plain backend. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { PLAIN_KERNELS } from '../../../lib/engine/torch/kernels/index.ts';
import { randomTensor } from '../../support/tensors.ts';
import { KERNEL_CASES } from './cases.ts';
import { assertSameAsReference, openOrReason } from './support.ts';

const skip = await openOrReason();

describe('torch: plain kernels', { skip }, () => {
  for (const { name, run, limit } of KERNEL_CASES) {
    test(`${name}: values, shapes and types equal to the reference, no tensor gained`, () =>
      assertSameAsReference(run, limit ?? 1e-6));
  }

  test('Where lists the coordinates of what is not zero', async () => {
    await tf.setBackend('torch');
    const condition = tf.tensor2d([0, 2, 0, 1, 0, 3], [2, 3]);
    const found = tf.engine().runKernel('Where', { condition }) as Tensor;
    assert.deepEqual([found.shape, found.dtype, [...found.dataSync()]], [[3, 2], 'int32', [0, 1, 1, 0, 1, 2]]);
    tf.dispose([condition, found]);
  });

  test('UnsortedSegmentSum of integers stays whole', async () => {
    await tf.setBackend('torch');
    const sums = tf.tidy(() =>
      tf.unsortedSegmentSum(tf.tensor1d([1, 2, 3], 'int32'), tf.tensor1d([1, 1, 0], 'int32'), 2),
    );
    assert.deepEqual([sums.dtype, [...sums.dataSync()]], ['int32', [3, 3]]);
    sums.dispose();
  });

  test('BatchMatMul broadcasts leading axes against each other', () =>
    // tfjs's plain backend pairs the batches wrongly where both sides have several axes of them, so it gets them whole.
    assertSameAsReference(() => {
      const [a, b] = [randomTensor([2, 1, 3, 4], 1), randomTensor([2, 3, 5, 4], 2)];
      return tf.matMul(tf.getBackend() === 'cpu' ? tf.tile(a, [1, 3, 1, 1]) : a, b, false, true);
    }, 1e-6));

  test('every plain kernel that the engine registers has a case', () => {
    const covered = new Set(['Where', ...KERNEL_CASES.flatMap(({ kernels }) => kernels)]);
    assert.deepEqual(
      PLAIN_KERNELS.filter((name) => !covered.has(name)),
      [],
    );
  });

  test('a kernel that the engine lacks fails with its name', async () => {
    await tf.setBackend('torch');
    registerFusedKernels('cpu', {});
    const images = tf.zeros([1, 4, 4, 3]) as ReturnType<typeof tf.tensor4d>;
    assert.throws(
      () => tf.avgPool(images, 2, 2, 'valid'),
      (error) => error instanceof TristageError && error.code === 'E_KERNEL' && error.message.includes('AvgPool'),
    );
    images.dispose();
  });
});
