/** The choice of an engine: the order of `auto`, the named engine that is never replaced, and what is said about it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { chooseEngine, type EngineName, type Openers, openEngine } from '../../../lib/engine/engine.ts';
import { refuseMissingKernels } from '../../../lib/engine/missing-kernels.ts';
import { tf } from '../../../lib/engine/tf.ts';

const absent = (name: string) =>
  new TristageError({ kind: 'environment', code: 'E_ENGINE_MISSING', message: `${name} is not set up` });

/** Openers of which only the named ones work; `tried` collects the order. */
function openers(working: readonly EngineName[], tried: string[] = []): Openers {
  const open = (name: EngineName) => async (options: { device: string; threads?: number | undefined }) => {
    tried.push(name);
    if (!working.includes(name)) throw absent(name);
    const device = options.device === 'cuda' ? ('cuda' as const) : ('cpu' as const);
    return { device, version: `${name} 1.0`, threads: options.threads ?? 2 };
  };
  return { torch: open('torch'), tensorflow: open('tensorflow') };
}

const hasCode = (code: string) => (error: unknown) => error instanceof TristageError && error.code === code;

describe('choosing an engine', () => {
  test('auto takes torch where it works and does not touch tensorflow', async () => {
    const tried: string[] = [];
    const info = await chooseEngine({ backend: 'auto', device: 'auto' }, openers(['torch', 'tensorflow'], tried));
    assert.equal(info.backend, 'torch');
    assert.deepEqual(tried, ['torch']);
    assert.match(info.why, /torch is the first/);
  });

  test('auto takes tensorflow where torch cannot be had, and says why', async () => {
    const info = await chooseEngine({ backend: 'auto', device: 'cpu', threads: 3 }, openers(['tensorflow']));
    assert.deepEqual([info.backend, info.threads, info.version], ['tensorflow', 3, 'tensorflow 1.0']);
    assert.match(info.why, /torch cannot be used \(E_ENGINE_MISSING: torch is not set up\)/);
  });

  test('auto without any engine names both reasons and the cure', async () => {
    await assert.rejects(chooseEngine({ backend: 'auto', device: 'auto' }, openers([])), (error) => {
      assert.ok(hasCode('E_ENGINE_MISSING')(error));
      const { found, fix } = error as TristageError;
      assert.match(found ?? '', /torch.*not set up.*tensorflow.*not set up/);
      assert.match(fix ?? '', /tristage setup/);
      return true;
    });
  });

  test('a named engine is never replaced by another', async () => {
    const tried: string[] = [];
    await assert.rejects(
      chooseEngine({ backend: 'tensorflow', device: 'auto' }, openers(['torch'], tried)),
      hasCode('E_ENGINE_MISSING'),
    );
    assert.deepEqual(tried, ['tensorflow']);
  });

  test('a fault that is no missing engine is not hidden by trying the next', async () => {
    const broken: Openers = {
      ...openers(['tensorflow']),
      torch: async () => {
        throw new TypeError('broken');
      },
    };
    await assert.rejects(chooseEngine({ backend: 'auto', device: 'auto' }, broken), TypeError);
  });

  test('a thread count that is no whole number from one up is refused', async () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(openEngine({ backend: 'auto', device: 'cpu', threads }), hasCode('E_ENGINE_REQUEST'));
    }
  });
});

describe('missing kernels', () => {
  test('every kernel that a backend lacks throws E_KERNEL with its name', async () => {
    tf.registerBackend('bare', () => tf.findBackendFactory('cpu')() as never);
    const missing = refuseMissingKernels('bare');
    assert.equal(missing.length, tf.getKernelsForBackend('cpu').length);
    await tf.setBackend('bare');
    assert.throws(
      () => tf.neg(tf.scalar(1)),
      (error) => hasCode('E_KERNEL')(error) && (error as TristageError).found === 'Neg',
    );
    assert.deepEqual(refuseMissingKernels('bare'), []);
  });
});
