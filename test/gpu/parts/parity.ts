/** Golden fixtures of the original implementations, on the device. */
import { join } from 'node:path';
import { run as eva } from '../../parity/adapters/eva.ts';
import { run as llama } from '../../parity/adapters/llama.ts';
import { run as lora } from '../../parity/adapters/lora.ts';
import { run as step } from '../../parity/adapters/minigptv2-step.ts';
import { run as optim } from '../../parity/adapters/optim.ts';
import { limitAtLeast } from '../../parity/fixture.ts';
import type { ParityResult } from '../../parity/result.ts';
import type { Device, Precision } from '../engine.ts';
import { emit, reasonOf } from '../record.ts';

/** Of the largest number of a tensor, in bf16 against float32: on a CPU activations came within 0.022 and gradients within 0.055. */
const BF16_LIMIT = 0.1;
/** torch's fused AdamW rounds 1 - 0.999 in float32: second moments are 1.3e-5 of themselves away, and their correction as far. */
const CUDA_LIMIT = 2e-5;
/** Random weights answer with whatever token is a hair's breadth ahead, which rounding changes. */
const CHOICES = /\/generate\.(output_ids|answers)$/;

/** Folder of test/parity/fixtures -> what reads it: those that compute on the device. */
const ADAPTERS: Readonly<Record<string, (dir: string) => Promise<ParityResult[]>>> = {
  eva,
  llama,
  llama_gqa: llama,
  lora,
  lora_gqa: lora,
  'minigptv2-step': step,
  optim,
};

/** The fixtures that the archive carries. */
export const PARITY_FIXTURES: readonly string[] = Object.keys(ADAPTERS);

/** Runs every fixture below `root`. */
export async function parity(
  root: string,
  { precision, device }: { precision: Precision; device: Device },
): Promise<void> {
  const isNarrow = precision === 'bf16';
  if (device === 'cuda') limitAtLeast(CUDA_LIMIT);
  if (isNarrow) limitAtLeast(BF16_LIMIT);
  for (const [name, run] of Object.entries(ADAPTERS)) {
    try {
      for (const { name: comparison, ok, detail } of await run(join(root, name))) {
        if (!(isNarrow && CHOICES.test(comparison))) emit({ name: comparison, ok, detail });
      }
    } catch (error) {
      emit({ name, ok: false, detail: reasonOf(error) });
    }
  }
}
