/**
 * Computing in bfloat16, which the engine does on CUDA: the same code on the CPU. Every kernel is given bfloat16, its results lie in the
 * declared type, and its numbers are those of the reference on the same rounded inputs.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { isNarrow } from '../../../lib/engine/narrow.ts';
import { declaredFusedOps } from '../../../lib/engine/ops/fused-op.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { registerFused } from '../../../lib/engine/torch/fused/index.ts';
import { computeTorchIn } from '../../../lib/engine/torch/index.ts';
import { PLAIN_KERNELS } from '../../../lib/engine/torch/kernels/index.ts';
import { resultOf } from '../../../lib/engine/torch/physical.ts';
import { OP_CASES, type OpCase } from '../../gradient/cases.ts';
import { randomTensor, relativeError } from '../../support/tensors.ts';
import { observed, torchBackend } from './bf16-support.ts';
import { KERNEL_CASES } from './cases.ts';
import { LARGE_CASES } from './fused-cases.ts';
import { assertSameAsReference, openOrReason, valueAndGradients } from './support.ts';
import { emulatedKernels } from './whole-operators.ts';

const skip = await openOrReason();

/** Half a unit in the last place is 2^-9 of a number; results of several operations may be a few of them apart. */
const LIMIT = 2 ** -6;
/** Of gradients: sums over products of numbers that were rounded on the way, in shares of the largest. */
const GRADIENT_LIMIT = 0.03;

/** Where the fused ops are computed. */
const DEVICES: Readonly<Record<string, Parameters<typeof registerFused>[1]>> = {
  'with the loops of the addon': { loops: true },
  'without them, as on other devices': { loops: false },
  "with CUDA's own operators, emulated": { loops: false, device: emulatedKernels },
};

/** Without the value, a sum in which much is cancelled. */
function gradientsOf(opCase: OpCase): Tensor[] {
  return tf.tidy(() => valueAndGradients(opCase).slice(2));
}

describe('torch: computing in bfloat16', { skip }, () => {
  before(async () => {
    await tf.setBackend('torch');
    computeTorchIn('bf16');
  });
  after(async () => {
    await tf.setBackend('torch');
    computeTorchIn('float32');
    registerFused(torchBackend(), { loops: true });
  });

  test('of every kernel it is declared in which type its results lie', () => {
    for (const name of [...PLAIN_KERNELS, ...declaredFusedOps().map(({ kernelName }) => kernelName)])
      assert.ok(resultOf(name).rule, name);
    assert.throws(() => resultOf('NoSuchKernel'), { code: 'E_KERNEL' });
  });

  for (const { name, run } of KERNEL_CASES) {
    test(`${name}: results lie in the declared type and equal the reference on rounded inputs`, () =>
      observed(() => assertSameAsReference(run, LIMIT)));
  }

  for (const [name, kernels] of Object.entries(DEVICES)) {
    describe(name, () => {
      before(async () => {
        await tf.setBackend('torch');
        registerFused(torchBackend(), kernels);
      });

      for (const { name, inputs, run } of [...OP_CASES, ...LARGE_CASES]) {
        test(`${name}: results lie in the declared type and equal the reference on rounded inputs`, () =>
          observed(
            () => assertSameAsReference(() => tf.tidy(() => run(...inputs())), LIMIT),
            ['bias', 'mask', 'cos', 'sin'],
          ));
      }

      for (const opCase of [...OP_CASES, ...LARGE_CASES]) {
        test(`${opCase.name}: gradients are near those of float32`, () =>
          assertSameAsReference(() => gradientsOf(opCase), GRADIENT_LIMIT));
      }
    });
  }

  test('gradients of variables are float32 and added up in it', async () => {
    await tf.setBackend('torch');
    const x = tf.variable(randomTensor([3, 4], 1));
    const product = () => tf.sum(tf.matMul(x, tf.transpose(x)));
    const { value, grads } = valueAndGrads(product, [x]);
    assert.ok(!isNarrow(value) && !isNarrow(grads[0]!));
    // Twice the sum over the rows: each use of x contributes one of them.
    const sums = tf.tidy(() => tf.tile(tf.mul(2, tf.sum(x, 0, true)), [3, 1]));
    assert.ok(relativeError(grads[0]!.dataSync(), sums.dataSync()) < LIMIT);
    tf.dispose([value, grads[0]!, sums, x]);
  });

  test('a cast to float32 is one', async () => {
    await tf.setBackend('torch');
    const [a, b] = [randomTensor([2, 3], 1), randomTensor([3, 2], 2)];
    const product = tf.matMul(a, b as typeof a);
    const wide = tf.cast(product, 'float32');
    assert.deepEqual([isNarrow(product), isNarrow(wide)], [true, false]);
    assert.deepEqual(wide.dataSync(), product.dataSync());
    tf.dispose([a, b, product, wide]);
  });
});
