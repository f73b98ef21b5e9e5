/** The fused ops on TensorFlow, forward and backward, against their composites on the reference backend. */
import { describe, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { adamwUpdates, dropoutMask } from '../../../lib/engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../../../lib/engine/tf.ts';
import { OP_CASES, type OpCase } from '../../gradient/cases.ts';
import { randomTensor } from '../../support/tensors.ts';
import { assertSameAsReference, openOrReason, prepareReference } from './support.ts';

const skip = await openOrReason();
if (skip === false) prepareReference();

/** The value of an op and the gradients of all its inputs under a fixed random projection. */
function valueAndGradients(opCase: OpCase): Tensor[] {
  const variables = opCase.inputs().map((input) => tf.variable(input)) as Variable[];
  const y = opCase.run(...variables);
  const { value, grads } = valueAndGrads(() => {
    const output = opCase.run(...variables);
    return tf.sum(tf.mul(output, randomTensor(output.shape, 77)));
  }, variables);
  for (const variable of variables) variable.dispose();
  return [y, value, ...grads.map((gradient) => gradient!)];
}

/** Of rows and of columns, large and small, of either sign. */
const KEYS = Int32Array.from({ length: 99 }, (_, i) => Math.imul(i, 0x9e3779b1) >> (i % 24));

describe('tensorflow: fused ops', () => {
  for (const opCase of OP_CASES) {
    test(`${opCase.name}: value and gradients equal to the reference backend`, { skip }, () =>
      assertSameAsReference(() => valueAndGradients(opCase), 1e-5),
    );
  }

  test('AdamW updates a parameter and its moments as on the reference backend', { skip }, () =>
    assertSameAsReference(() => {
      const [param, m, v] = [1, 2, 3].map((seed) => tf.variable(tf.abs(randomTensor([4, 6], seed)))) as Variable[];
      const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.05 };
      for (let step = 1; step <= 3; step++) {
        adamwUpdates([{ param: param!, grad: randomTensor([4, 6], 10 + step), m: m!, v: v!, step, ...attrs }]);
      }
      const results = [param!, m!, v!].map((variable) => tf.clone(variable));
      tf.dispose([param!, m!, v!]);
      return results;
    }, 2e-6),
  );

  test('a dropout mask is the same on every engine, bit for bit', { skip }, () =>
    assertSameAsReference(() => dropoutMask({ rowKeys: KEYS.slice(0, 3), columnKeys: KEYS, rate: 0.3 }), 0),
  );
});
