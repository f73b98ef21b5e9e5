/** The fused ops on torch, forward and backward, against their composites on the reference backend. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runFused } from '../../../lib/engine/ops/fused-op.ts';
import { adamwUpdates, dropoutMask } from '../../../lib/engine/ops/index.ts';
import { tf, type Variable } from '../../../lib/engine/tf.ts';
import { native, operator } from '../../../lib/engine/torch/binding.ts';
import { updateByOperators } from '../../../lib/engine/torch/fused/adamw.ts';
import { registerFused } from '../../../lib/engine/torch/fused/index.ts';
import { OP_CASES } from '../../gradient/cases.ts';
import { randomTensor, relativeError } from '../../support/tensors.ts';
import { torchBackend } from './bf16-support.ts';
import { LARGE_CASES } from './fused-cases.ts';
import { assertSameAsReference, openOrReason, valueAndGradients } from './support.ts';

const skip = await openOrReason();

/** Of rows and of columns, large and small, of either sign. */
const KEYS = Int32Array.from({ length: 99 }, (_, i) => Math.imul(i, 0x9e3779b1) >> (i % 24));

describe('torch: fused ops', { skip }, () => {
  for (const opCase of [...OP_CASES, ...LARGE_CASES]) {
    test(`${opCase.name}: value and gradients equal to the reference backend`, () =>
      assertSameAsReference(() => valueAndGradients(opCase), 2e-5));
  }

  describe('without the loops of the addon, as on other devices', () => {
    before(async () => {
      await tf.setBackend('torch');
      registerFused(torchBackend(), { loops: false });
    });
    after(async () => {
      await tf.setBackend('torch');
      registerFused(torchBackend(), { loops: true });
    });

    for (const opCase of [...OP_CASES, ...LARGE_CASES]) {
      test(`${opCase.name}: value and gradients equal to the reference backend`, () =>
        assertSameAsReference(() => valueAndGradients(opCase), 2e-5));
    }

    test('a kernel that runs out of memory in its middle leaves nothing', () => {
      const [dy, gate, up] = [1, 2, 3].map((seed) => randomTensor([512, 1024], seed));
      const before = native().stats()[0];
      // Room for one result of 2 MiB, and not for the next.
      native().limitMemory(native().memory()[0] + 3 * 2 ** 20);
      try {
        assert.throws(() => runFused('SwiGluGrad', { dy, gate, up }), { code: 'E_MEMORY' });
      } finally {
        native().limitMemory(0);
      }
      assert.equal(native().stats()[0], before);
      tf.dispose([dy!, gate!, up!]);
    });

    test('a dropout mask is the same, bit for bit', () =>
      assertSameAsReference(() => dropoutMask({ rowKeys: KEYS, columnKeys: KEYS.slice(7), rate: 0.05 }), 0));
  });

  test('AdamW updates a parameter and its moments as on the reference backend', () =>
    assertSameAsReference(() => {
      const [param, m, v] = [1, 2, 3].map((seed) => tf.variable(tf.abs(randomTensor([40, 67], seed)))) as Variable[];
      const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.05 };
      for (let step = 1; step <= 3; step++) {
        adamwUpdates([{ param: param!, grad: randomTensor([40, 67], 10 + step), m: m!, v: v!, step, ...attrs }]);
      }
      const results = [param!, m!, v!].map((variable) => tf.clone(variable));
      tf.dispose([param!, m!, v!]);
      return results;
    }, 2e-6));

  test('AdamW by plain operators, as devices other than the CPU do it, equals the fused kernel', () => {
    const values = (seed: number) => randomTensor([40, 67], seed).abs().dataSync();
    const make = (seed: number) => native().fromData(values(seed), 'float32', [40, 67], 'float32', 'cpu');
    const tensors = () => ({ param: make(1), grad: make(2), m: make(3), v: make(4) });
    const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.05, step: 3, gradScale: 0.3 };
    const { lr, beta1, beta2, eps, weightDecay, step, gradScale } = attrs;
    const [plain, fused] = [tensors(), tensors()];
    updateByOperators(plain, attrs);
    const adamw = operator<void>('tristage::adamw_');
    adamw(fused.param, fused.grad, fused.m, fused.v, lr, beta1, beta2, eps, weightDecay, step, gradScale);
    for (const name of ['param', 'm', 'v'] as const) {
      assert.ok(relativeError(native().read(plain[name]), native().read(fused[name])) < 1e-6, name);
    }
    for (const handle of [...Object.values(plain), ...Object.values(fused)]) native().release(handle);
  });

  for (const together of [true, false]) {
    test(`AdamW updates several parameters ${together ? 'in one call' : 'one by one'} as on the reference`, () =>
      assertSameAsReference(() => {
        const of = (seed: number) => tf.variable(tf.abs(randomTensor([5, 1 + (seed % 4)], seed))) as Variable;
        const state = [0, 1, 2, 3].map((i) => ({ param: of(i), m: of(4 + i), v: of(8 + i) }));
        const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.05, gradScale: 0.25 };
        const updates = state.map((one, i) => ({
          ...one,
          ...attrs,
          grad: randomTensor([5, i + 1], 12 + i),
          step: i + 1,
        }));
        adamwUpdates(updates, together);
        const variables = state.flatMap(({ param, m, v }) => [param, m, v]);
        const results = variables.map((variable) => tf.clone(variable));
        tf.dispose(variables);
        return results;
      }, 2e-6));
  }

  test('AdamW leaves copies and views of a parameter as they were', () =>
    assertSameAsReference(() => {
      const [param, m, v] = [1, 2, 3].map((seed) => tf.variable(tf.abs(randomTensor([4, 6], seed)))) as Variable[];
      const before = [tf.clone(param!), tf.transpose(param!), tf.reshape(m!, [24])];
      const attrs = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, step: 1 };
      adamwUpdates([{ param: param!, grad: randomTensor([4, 6], 9), m: m!, v: v!, ...attrs }]);
      const after = tf.clone(param!);
      tf.dispose([param!, m!, v!]);
      return [...before, after];
    }, 2e-6));

  test('a dropout mask is the same on every engine, bit for bit', () =>
    assertSameAsReference(() => dropoutMask({ rowKeys: KEYS.slice(0, 3), columnKeys: KEYS, rate: 0.3 }), 0));
});
