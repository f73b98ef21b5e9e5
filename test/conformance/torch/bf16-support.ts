/** Kernels under observation while the engine computes in bfloat16. */
import assert from 'node:assert/strict';
import { isNarrow } from '../../../lib/engine/narrow.ts';
import { type NamedTensorMap, type Tensor, tf } from '../../../lib/engine/tf.ts';
import type { TorchBackend } from '../../../lib/engine/torch/backend.ts';
import { resultOf } from '../../../lib/engine/torch/physical.ts';
import { bfloat16ToFloat32, float32ToBfloat16 } from '../../../lib/formats/half.ts';

type RunKernel = (name: string, inputs: NamedTensorMap, attrs?: object) => Tensor | Tensor[];

/** The engine's backend; it must be the current one. */
export const torchBackend = (): TorchBackend => tf.backend() as unknown as TorchBackend;

/** The numbers rounded to bfloat16: as a tensor that lies so on torch, as float32 elsewhere. */
function rounded(x: Tensor): Tensor {
  if (tf.getBackend() === 'torch') return tf.engine().makeTensorFromTensorInfo(torchBackend().rounded(x));
  return tf.tensor(bfloat16ToFloat32(float32ToBfloat16(Float32Array.from(x.dataSync()))), x.shape);
}

function assertPhysical(name: string, results: Tensor | Tensor[], hasFloats: boolean): void {
  const { rule, statistics = [] } = resultOf(name);
  [results].flat().forEach((result, i) => {
    if (result.dtype !== 'float32') return;
    const expected = rule !== 'float32' && hasFloats && !statistics.includes(i);
    assert.equal(isNarrow(result), expected, `result ${i} of ${name}`);
  });
}

/**
 * Runs `f` with the float inputs of every kernel rounded to bfloat16, on each backend; on torch the types of all results are checked.
 * @param exact inputs that stay float32
 */
export async function observed(f: () => Promise<void>, exact: readonly string[] = []): Promise<void> {
  const engine = tf.engine() as unknown as { runKernel: RunKernel; state: { kernelDepth: number } };
  const plain = engine.runKernel.bind(engine);
  engine.runKernel = (name, inputs, attrs) => {
    if (engine.state.kernelDepth > 0) return plain(name, inputs, attrs);
    const given = (Array.isArray(inputs) ? [...inputs] : { ...inputs }) as NamedTensorMap;
    const floats = Object.keys(given).filter((key) => given[key]?.dtype === 'float32' && !exact.includes(key));
    for (const key of floats) given[key] = rounded(given[key]!);
    const results = plain(name, given, attrs);
    if (tf.getBackend() === 'torch') assertPhysical(name, results, floats.length > 0);
    return results;
  };
  try {
    await f();
  } finally {
    delete (engine as Partial<typeof engine>).runKernel;
  }
}
