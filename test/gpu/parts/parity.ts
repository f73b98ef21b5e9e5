/** Golden fixtures of the original implementations, in float32 on the device. */
import { join } from 'node:path';
import { run as eva } from '../../parity/adapters/eva.ts';
import { run as llama } from '../../parity/adapters/llama.ts';
import { run as lora } from '../../parity/adapters/lora.ts';
import { run as step } from '../../parity/adapters/minigptv2-step.ts';
import { run as optim } from '../../parity/adapters/optim.ts';
import type { ParityResult } from '../../parity/result.ts';
import { emit, reasonOf } from '../record.ts';

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
export async function parity(root: string): Promise<void> {
  for (const [name, run] of Object.entries(ADAPTERS)) {
    try {
      for (const { name: comparison, ok, detail } of await run(join(root, name)))
        emit({ name: comparison, ok, detail });
    } catch (error) {
      emit({ name, ok: false, detail: reasonOf(error) });
    }
  }
}
