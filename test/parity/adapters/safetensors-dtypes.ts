/** Every dtype of safetensors, widened to float32 as torch widens it, bit for bit; NaN only as NaN. */
import { basename, join } from 'node:path';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readTensors, report } from '../fixture.ts';
import type { ParityResult } from '../result.ts';

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const stored = await readTensors(join(dir, 'stored.safetensors'));
  const widened = await readTensors(join(dir, 'widened.safetensors'));
  const checks = report(basename(dir));
  for (const [name, tensor] of stored) {
    const expected = widened.get(name);
    const dtype = [tensor.dtype, ...texts(toFloat32(tensor))];
    checks.equal(name, dtype, expected === undefined ? [] : [name, ...texts(toFloat32(expected))]);
  }
  return checks.results;
}

/** Minus zero apart from zero. */
function texts(values: Float32Array): string[] {
  return Array.from(values, (value) => (Object.is(value, -0) ? '-0' : String(value)));
}
