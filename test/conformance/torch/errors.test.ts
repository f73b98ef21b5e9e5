/** Whatever is passed to the torch engine, the answer is an error with a code; the process and later calls live on. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { runFused } from '../../../lib/engine/ops/fused-op.ts';
import { maskedCrossEntropy } from '../../../lib/engine/ops/index.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { type Argument, native, operator } from '../../../lib/engine/torch/binding.ts';
import { openOrReason } from './support.ts';

const skip = await openOrReason();

/** @returns the error that `f` throws, after checking its code and that no native tensor was gained */
function failure(f: () => unknown, code: string): TristageError {
  const [tensors] = native().stats();
  let thrown: unknown;
  try {
    tf.tidy(() => {
      f();
    });
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof TristageError, `expected ${code}, found ${thrown}`);
  assert.equal(thrown.code, code, thrown.message);
  assert.equal(native().stats()[0], tensors, 'native tensors gained');
  return thrown;
}

const run = (kernel: string, inputs: Record<string, Tensor>, attrs: object = {}) =>
  tf.engine().runKernel(kernel, inputs, attrs as never);

const zeros = (...shape: number[]) => tf.zeros(shape);

describe('torch: errors', { skip }, () => {
  test('shapes that do not fit carry the message of torch and the name of the operator', () => {
    const error = failure(
      () => run('BatchMatMul', { a: zeros(2, 3), b: zeros(2, 3) }, { transposeA: false, transposeB: false }),
      'E_TORCH',
    );
    assert.match(error.message, /shapes cannot be multiplied \(2x3 and 2x3\)/);
    assert.equal(error.where, 'aten::mm');
    assert.doesNotMatch(error.message, /Exception raised from|frame #/);
  });

  test('indices out of range are refused', () => {
    failure(() => tf.gather(zeros(3, 2), tf.tensor1d([3], 'int32')), 'E_TORCH');
    failure(() => tf.gather(zeros(3, 2), tf.tensor1d([-1], 'int32')), 'E_TORCH');
    failure(() => run('GatherNd', { params: zeros(3), indices: tf.tensor2d([7], [1, 1], 'int32') }), 'E_TORCH');
    failure(() => maskedCrossEntropy(zeros(2, 5), tf.tensor1d([1, 5], 'int32')), 'E_TORCH');
  });

  test('fused kernels check every shape and type', () => {
    const norm = { x: zeros(2, 4), weight: zeros(3) };
    failure(() => runFused('RmsNorm', norm, { eps: 1e-5 }), 'E_TORCH');
    const q = zeros(1, 4, 2, 8);
    const wrong: Record<string, Tensor>[] = [
      { q, k: zeros(1, 3, 2, 8), v: zeros(1, 3, 2, 8) },
      { q, k: zeros(1, 4, 2, 8), v: zeros(1, 4, 3, 8) },
      { q, k: zeros(1, 4, 2, 6), v: zeros(1, 4, 2, 6) },
      { q, k: zeros(2, 4, 2, 8), v: zeros(2, 4, 2, 8) },
      { q, k: zeros(1, 4, 2, 8), v: zeros(1, 4, 2, 8), bias: zeros(1, 1, 2, 3) },
      { q, k: zeros(4, 2, 8), v: zeros(4, 2, 8) },
      { q: tf.zeros([1, 4, 2, 8], 'int32'), k: zeros(1, 4, 2, 8), v: zeros(1, 4, 2, 8) },
    ];
    for (const inputs of wrong) failure(() => runFused('Attention', inputs, { scale: 1, causal: true }), 'E_TORCH');
    const forward = { q, k: zeros(1, 4, 2, 8), v: zeros(1, 4, 2, 8) };
    const back = { ...forward, dy: q, o: zeros(1, 4, 3, 8), lse: zeros(1, 4, 2) };
    failure(() => runFused('AttentionGrad', back, { scale: 1, causal: true }), 'E_TORCH');
    failure(() => runFused('Rope', { x: q, cos: zeros(1, 2, 3), sin: zeros(1, 2, 3) }, { inverse: false }), 'E_TORCH');
    failure(() => runFused('SwiGlu', { gate: zeros(2), up: zeros(3) }), 'E_TORCH');
    const state = { param0: zeros(2, 3), grad0: zeros(3, 2), m0: zeros(2, 3), v0: zeros(2, 3) };
    const attrs = { lr: 1, beta1: 0.9, beta2: 0.9, eps: 1, weightDecay: 0, step: 1, gradScale: 1 };
    failure(() => runFused('AdamWUpdate', state, { updates: [attrs] }), 'E_TORCH');
    failure(() => runFused('MaskedCrossEntropy', { logits: zeros(2, 3), labels: zeros(2) }), 'E_TORCH');
  });

  test('an allocation beyond the memory is a coded error', () => {
    const error = failure(() => tf.fill([2 ** 22, 2 ** 22], 1), 'E_MEMORY');
    assert.equal(error.kind, 'resources');
  });

  test('the addon refuses arguments of a wrong kind, one by one', () => {
    const x = native().fromData(Float32Array.of(1, 2), 'float32', [2], 'float32', 'cpu');
    const sum = operator('aten::sum.dim_IntList');
    const wrong: Argument[][] = [
      [],
      [null],
      ['x'],
      [1e9, [0], false],
      [0, [0], false],
      [x, [0.5], false],
      [x, [Number.NaN], false],
      [x, ['a'] as never, false],
      [x, 'a', false],
      [x, [0], 1],
      [x, [0], false, 'nonsense'],
      [x, [0], false, null, 1],
      [x, [5], false],
      [{} as never, [0], false],
    ];
    for (const args of wrong) failure(() => sum(...args), 'E_TORCH');
    failure(() => operator('aten::no_such_operator')(x), 'E_TORCH');
    failure(() => operator('')(x), 'E_TORCH');
    failure(() => operator('aten::zeros')([2], null, null, 'nowhere'), 'E_TORCH');
    failure(() => operator('aten::zeros')([-2]), 'E_TORCH');
    failure(() => operator('aten::cat')([x, 12345], 0), 'E_TORCH');
    failure(() => operator('aten::cat')([], 0), 'E_TORCH');
    native().release(x);
  });

  test('a handle is dead after its release, also when its slot serves another tensor', () => {
    const make = () => native().fromData(Float32Array.of(1), 'float32', [1], 'float32', 'cpu');
    const first = make();
    native().release(first);
    failure(() => native().release(first), 'E_TORCH');
    const second = make();
    assert.notEqual(second, first);
    failure(() => native().read(first), 'E_TORCH');
    assert.deepEqual(native().read(second), Float32Array.of(1));
    native().release(second);
  });

  test('every entry of the addon survives senseless calls', () => {
    const binding = native() as unknown as Record<string, (...args: unknown[]) => unknown>;
    const senseless: unknown[][] = [
      [],
      [null],
      [-1],
      [1.5],
      ['x'],
      [{}],
      [[]],
      [2 ** 40],
      [Symbol.iterator],
      [1, 2, 3],
    ];
    const threads = native().threads();
    for (const name of Object.keys(binding)) {
      if (name === 'loadLibrary' || name === 'onError') continue;
      for (const args of senseless) {
        try {
          binding[name]!(...args);
        } catch (error) {
          assert.ok(error instanceof TristageError, `${name}(${args.map(String)}): ${error}`);
        }
      }
    }
    native().setThreads(threads);
    failure(() => native().loadLibrary('/nowhere.so'), 'E_TORCH');
    failure(() => native().fromData(new Float32Array(3), 'float32', [2], 'float32', 'cpu'), 'E_TORCH');
    failure(() => native().fromData(new Float32Array(3), 'float32', [-3], 'float32', 'cpu'), 'E_TORCH');
    failure(() => native().fromData([1, 2, 3] as never, 'float32', [3], 'float32', 'cpu'), 'E_TORCH');
    failure(() => native().setThreads(0), 'E_TORCH');
  });

  test('a type that the engine does not hold is refused by name', () => {
    const error = failure(() => tf.tensor1d(['a', 'b'], 'string'), 'E_DTYPE');
    assert.equal(error.found, 'string');
  });

  test('NaN passes through instead of being hidden', () => {
    tf.tidy(() => {
      const q = tf.fill([1, 1, 2, 4], Number.NaN);
      const [o] = runFused('Attention', { q, k: q, v: tf.ones([1, 1, 2, 4]) }, { scale: 1, causal: true });
      assert.ok(o!.dataSync().every(Number.isNaN));
      const gate = tf.tensor1d([Number.NaN, 1]);
      assert.ok(Number.isNaN(runFused('SwiGlu', { gate, up: tf.ones([2]) })[0]!.dataSync()[0]!));
      const nll = maskedCrossEntropy(tf.fill([1, 4], Number.NaN), tf.tensor1d([1], 'int32'));
      assert.ok(Number.isNaN(nll.dataSync()[0]!));
    });
  });
});
