/** Each fused op: its kernel against its composite, its gradients against finite differences and against the composite's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { valueAndGrads } from '../../lib/engine/autograd/index.ts';
import { compositeKernel, declaredFusedOps } from '../../lib/engine/ops/fused-op.ts';
import { type Tensor, tf, type Variable } from '../../lib/engine/tf.ts';
import { openTestEngine } from '../support/engine.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';
import { OP_CASES, type OpCase } from './cases.ts';

const engine = await openTestEngine();

/** sum(op(inputs) o r) with a fixed random r: one number whose gradient tests every output element. */
function projected(opCase: OpCase, inputs: Tensor[]): Tensor {
  const y = opCase.run(...inputs);
  return tf.sum(tf.mul(y, randomTensor(y.shape, 77)));
}

function gradientsOf(opCase: OpCase): Tensor[] {
  const variables = opCase.inputs().map((tensor) => tf.variable(tensor)) as Variable[];
  const { value, grads } = valueAndGrads(() => projected(opCase, variables), variables);
  value.dispose();
  for (const variable of variables) variable.dispose();
  return grads.map((grad) => {
    assert.ok(grad, 'every input is reached');
    return grad;
  });
}

/** Runs `f` with every fused kernel of the engine replaced by its composite. */
function withComposites<T>(f: () => T): T {
  const backendName = tf.getBackend();
  const kernels = declaredFusedOps().flatMap((op) => {
    const names = op.optionalInput ? [op.kernelName, `${op.kernelName}+${op.optionalInput}`] : [op.kernelName];
    return names.map((kernelName) => ({ kernelName, op, native: tf.getKernel(kernelName, backendName) }));
  });
  const replace = (kernelName: string, kernelFunc: (typeof kernels)[0]['native']['kernelFunc']) => {
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  };
  for (const { kernelName, op } of kernels) replace(kernelName, compositeKernel(op));
  try {
    return f();
  } finally {
    for (const { kernelName, native } of kernels) replace(kernelName, native.kernelFunc);
  }
}

describe(`fused ops on ${engine}`, () => {
  for (const opCase of OP_CASES) {
    test(`${opCase.name}: the kernel equals the composite, forward and backward`, () => {
      tf.tidy(() => {
        const inputs = opCase.inputs();
        const expected = withComposites(() => [opCase.run(...inputs), ...gradientsOf(opCase)]);
        const actual = [opCase.run(...inputs), ...gradientsOf(opCase)];
        actual.forEach((tensor, i) => {
          assertClose(tensor, expected[i]!, 5e-6, i === 0 ? 'value' : `gradient of input ${i - 1}`);
        });
      });
    });

    test(`${opCase.name}: gradients equal finite differences`, () => {
      tf.tidy(() => {
        const inputs = opCase.inputs();
        const gradients = gradientsOf(opCase);
        inputs.forEach((input, i) => {
          const direction = randomTensor(input.shape, 100 + i);
          const step = 1e-2;
          const at = (sign: number) => {
            const moved = tf.add(input, tf.mul(direction, sign * step));
            const all = inputs.map((tensor, j) => (j === i ? moved : tensor));
            return projected(opCase, all).dataSync()[0]!;
          };
          const numeric = (at(1) - at(-1)) / (2 * step);
          const analytic = tf.sum(tf.mul(gradients[i]!, direction)).dataSync()[0]!;
          const size = Math.sqrt(tf.sum(tf.square(gradients[i]!)).dataSync()[0]!);
          assert.ok(
            Math.abs(numeric - analytic) <= 3e-3 * Math.max(size, Math.abs(analytic), 1e-3),
            `input ${i}: finite difference ${numeric}, gradient ${analytic}`,
          );
        });
      });
    });
  }

  test('every fused op with a gradient has a case', () => {
    const covered = new Set(OP_CASES.map((opCase) => opCase.kernelName));
    const missing = declaredFusedOps().filter((op) => op.gradient && !covered.has(op.kernelName));
    assert.deepEqual(
      missing.map((op) => op.kernelName),
      [],
    );
  });

  test('an attention row that sees no key is zero and has zero gradient', () => {
    tf.tidy(() => {
      const opCase = OP_CASES.find((candidate) => candidate.name.includes('see nothing'))!;
      const y = opCase.run(...opCase.inputs());
      const firstRows = tf.slice(y, [0, 0, 0, 0], [2, 4, 2, 6]);
      assert.equal(tf.max(tf.abs(firstRows)).dataSync()[0], 0);
      const dq = gradientsOf(opCase)[0]!;
      assert.equal(tf.max(tf.abs(tf.slice(dq, [0, 0, 0, 0], [2, 4, 2, 6]))).dataSync()[0], 0);
    });
  });
});
