/** Opens the engine `torch` for a test file and compares it with tfjs's plain `cpu` backend, the reference. */
import assert from 'node:assert/strict';
import { TristageError } from '../../../lib/core/errors.ts';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { openEngine } from '../../../lib/engine/engine.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../../../lib/engine/tf.ts';
import type { OpCase } from '../../gradient/cases.ts';
import { randomTensor, relativeError } from '../../support/tensors.ts';

/**
 * Opens the libtorch that TRISTAGE_TORCH_SOURCE asks for.
 * @returns false when the engine is open, else the reason to skip: there is no libtorch on this machine
 */
export async function openOrReason(): Promise<string | false> {
  try {
    await openEngine({ backend: 'torch', device: 'cpu' });
  } catch (error) {
    if (error instanceof TristageError && error.code === 'E_TORCH_MISSING') return `${error.message}: ${error.found}`;
    throw error;
  }
  // tfjs's plain backend is the reference here; its hint to use a faster one means users.
  tf.env().set('IS_NODE', false);
  registerFusedKernels('cpu', {});
  return false;
}

export type Result = Tensor | readonly Tensor[];

interface Values {
  shape: number[];
  dtype: string;
  data: number[];
}

async function on(backend: string, f: () => Result): Promise<Values[]> {
  assert.ok(await tf.setBackend(backend));
  const results = tf.tidy(() => f() as Tensor | Tensor[]);
  const list = Array.isArray(results) ? results : [results];
  const values = list.map((tensor) => ({
    shape: tensor.shape,
    dtype: tensor.dtype,
    data: Array.from(tensor.dataSync()),
  }));
  tf.dispose(list);
  return values;
}

/** NaN and infinities must agree exactly; the rest within `limit` of the largest. */
function compare(actual: readonly number[], expected: readonly number[], limit: number): number {
  assert.equal(actual.length, expected.length, 'number of elements');
  const special = expected.map((value, i) => (Number.isFinite(value) ? undefined : [value, actual[i]]));
  for (const pair of special) if (pair !== undefined) assert.ok(Object.is(pair[0], pair[1]), `${pair}`);
  const plain = (values: readonly number[]) => values.filter((_, i) => special[i] === undefined);
  return relativeError(plain(actual), plain(expected)) - limit;
}

/**
 * Computes on the reference and on torch; shapes and types must be equal, numbers within `limit` of the largest.
 * No tensor may be gained on torch.
 * @param f makes its inputs itself, so that each backend gets its own
 */
export async function assertSameAsReference(f: () => Result, limit: number): Promise<void> {
  const expected = await on('cpu', f);
  await tf.setBackend('torch');
  const before = tf.memory() as unknown as Record<string, number>;
  const actual = await on('torch', f);
  const after = tf.memory() as unknown as Record<string, number>;
  assert.equal(actual.length, expected.length, 'number of results');
  expected.forEach((reference, i) => {
    const { shape, dtype, data } = actual[i]!;
    assert.deepEqual({ shape, dtype }, { shape: reference.shape, dtype: reference.dtype }, `result ${i}`);
    const excess = compare(data, reference.data, limit);
    assert.ok(excess <= 0, `result ${i}: relative error ${excess + limit} above ${limit}\n${data}\n${reference.data}`);
  });
  assert.equal(after['nativeTensors'], before['nativeTensors'], 'native tensors gained');
  assert.equal(after['nativeBytes'], before['nativeBytes'], 'native bytes gained');
}

/** The value of an op and the gradients of all its inputs under a fixed random projection. */
export function valueAndGradients(opCase: OpCase): Tensor[] {
  const variables = opCase.inputs().map((input) => tf.variable(input)) as Variable[];
  const y = opCase.run(...variables);
  const { value, grads } = valueAndGrads(() => {
    const output = opCase.run(...variables);
    return tf.sum(tf.mul(output, randomTensor(output.shape, 77)));
  }, variables);
  for (const variable of variables) variable.dispose();
  return [y, value, ...grads.map((gradient) => gradient!)];
}
