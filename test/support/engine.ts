/**
 * The engine of a test process. Tests of numbers run once per engine: `TRISTAGE_TEST_ENGINE` names it (`torch`,
 * `tensorflow`, or `cpu`, tfjs's own plain backend). One engine per process.
 */
import { registerFusedKernels } from '../../lib/engine/ops/index.ts';
import { tf } from '../../lib/engine/tf.ts';

export type TestEngine = 'torch' | 'tensorflow' | 'cpu';

/** The engine this process tests. */
export function testEngine(): TestEngine {
  const name = process.env['TRISTAGE_TEST_ENGINE'] ?? 'torch';
  if (name !== 'torch' && name !== 'tensorflow' && name !== 'cpu') throw new Error(`unknown test engine '${name}'`);
  return name;
}

/** Opens the engine under test; call once at the top of a test file. */
export async function openTestEngine(): Promise<TestEngine> {
  const name = testEngine();
  if (name === 'cpu') {
    await tf.setBackend('cpu');
    registerFusedKernels('cpu', {});
  } else {
    const { openEngine } = await import('../../lib/engine/engine.ts');
    await openEngine({ backend: name, device: 'cpu' });
  }
  return name;
}
