/** Opens the engine `tensorflow` for a test file and compares it with tfjs's plain `cpu` backend. */
import assert from 'node:assert/strict';
import { TristageError } from '../../../lib/core/errors.ts';
import { openEngine } from '../../../lib/engine/engine.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { relativeError } from '../../support/tensors.ts';

/**
 * @returns false when the engine is open, else the reason to skip: it cannot be had on this machine
 */
export async function openOrReason(): Promise<string | false> {
  try {
    await openEngine({ backend: 'tensorflow', device: 'cpu' });
    return false;
  } catch (error) {
    if (error instanceof TristageError && error.code === 'E_ENGINE_MISSING') return `${error.message}: ${error.found}`;
    throw error;
  }
}

/** Makes tfjs's plain backend ready to be the reference. */
export function prepareReference(): void {
  // The hint of the cpu backend to use a faster one means users, not a comparison.
  tf.env().set('IS_NODE', false);
  registerFusedKernels('cpu', {});
}

type Result = Tensor | readonly Tensor[];

async function on(backend: string, f: () => Result): Promise<{ shape: number[]; dtype: string; data: number[] }[]> {
  assert.ok(await tf.setBackend(backend));
  const results = tf.tidy(() => f() as Tensor | Tensor[]);
  const list = Array.isArray(results) ? results : [results];
  const values = list.map(({ shape, dtype }, i) => ({ shape, dtype, data: Array.from(list[i]!.dataSync()) }));
  tf.dispose(list);
  return values;
}

/**
 * Computes on the reference and on TensorFlow; shapes and types must be equal, numbers within `limit` of the largest.
 * @param f makes its inputs itself, so that each backend gets its own
 */
export async function assertSameAsReference(f: () => Result, limit: number): Promise<void> {
  const expected = await on('cpu', f);
  const actual = await on('tensorflow', f);
  assert.equal(actual.length, expected.length, 'number of results');
  expected.forEach((reference, i) => {
    const { shape, dtype, data } = actual[i]!;
    assert.deepEqual({ shape, dtype }, { shape: reference.shape, dtype: reference.dtype }, `result ${i}`);
    const error = relativeError(data, reference.data);
    assert.ok(error <= limit, `result ${i}: relative error ${error} above ${limit}`);
  });
}
