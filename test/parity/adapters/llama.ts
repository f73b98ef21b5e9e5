/** LLaMA's logits, hidden states, losses and gradients, with padding on either side, against the reference. */
import { basename, join } from 'node:path';
import type { Variable } from '../../../lib/engine/tf.ts';
import { llamaParams } from '../../../lib/model/params.ts';
import { LLAMA_PREFIX, llamaShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams, trainableOf } from '../../../lib/model/store.ts';
import { readJson, readTensors, recorded, report } from '../fixture.ts';
import { compareCase, type LanguageModel, llamaConfigOf, type RecordedLlama } from '../language.ts';
import type { ParityResult } from '../result.ts';
import { weightSource } from '../weights.ts';

interface LlamaFixture {
  llama_config: RecordedLlama;
  rope_theta?: number;
  cases: Record<string, string[]>;
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const fixture = await readJson<LlamaFixture>(dir, 'config.json');
  const config = llamaConfigOf(fixture.llama_config, fixture.rope_theta);
  const source = weightSource(await readTensors(join(dir, 'weights.safetensors')));
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const prefixes = Object.keys(fixture.cases);
  const wanted = (name: string) =>
    prefixes.some((prefix) => io.has(`${prefix}.grad.${name.slice(LLAMA_PREFIX.length)}`));
  const store = createParams({ shapes: llamaShapes(config), source, trainable: wanted, seed: 0 });
  const trainable = new Map<string, Variable>(
    [...trainableOf(store)].map(([name, variable]) => [name.slice(LLAMA_PREFIX.length), variable]),
  );
  const model: LanguageModel = { config, params: llamaParams(store, config), trainable };
  const checks = report(basename(dir));
  for (const prefix of prefixes) compareCase({ checks, io, prefix, model });
  disposeParams(store);
  return checks.results;
}
