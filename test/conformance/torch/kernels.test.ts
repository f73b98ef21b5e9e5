/** Every plain kernel of the torch engine against tfjs's plain backend. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { PLAIN_KERNELS } from '../../../lib/engine/torch/kernels/index.ts';
import { KERNEL_CASES } from './cases.ts';
import { assertSameAsReference, openOrReason } from './support.ts';

const skip = await openOrReason();

describe('torch: plain kernels', { skip }, () => {
  for (const { name, run, limit } of KERNEL_CASES) {
    test(`${name}: values, shapes and types equal to the reference, no tensor gained`, () =>
      assertSameAsReference(run, limit ?? 1e-6));
  }

  test('every plain kernel that the engine registers has a case', () => {
    const covered = new Set(KERNEL_CASES.flatMap(({ kernels }) => kernels));
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
