/** LLaMA's logits, hidden states, losses and gradients, with padding on either side, against the reference. */
import { basename, join } from 'node:path';
import { llamaParams } from '../../../lib/model/params.ts';
import { llamaShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams, trainableOf } from '../../../lib/model/store.ts';
import { readJson, readTensors, recorded, report } from '../fixture.ts';
import { compareCase, type LanguageModel, llamaConfigOf, type RecordedLlama } from '../language.ts';
import type { ParityResult } from '../result.ts';
import { byPublishedName, fixtureWeights } from '../weights.ts';

interface LlamaFixture {
  llama_config: RecordedLlama;
  rope_theta?: number;
  cases: Record<string, string[]>;
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const fixture = await readJson<LlamaFixture>(dir, 'config.json');
  const config = llamaConfigOf(fixture.llama_config, fixture.rope_theta);
  const weights = fixtureWeights(await readTensors(join(dir, 'weights.safetensors')));
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const prefixes = Object.keys(fixture.cases);
  const differentiated = new Set(
    weights.published
      .filter((name) => prefixes.some((prefix) => io.has(`${prefix}.grad.${name}`)))
      .map((name) => weights.inMemory(name)),
  );
  const store = createParams({
    shapes: llamaShapes(config),
    source: weights.source,
    trainable: (name) => differentiated.has(name),
    seed: 0,
  });
  const trainable = byPublishedName(weights, trainableOf(store));
  const model: LanguageModel = { config, params: llamaParams(store, config), trainable };
  const checks = report(basename(dir));
  for (const prefix of prefixes) compareCase({ checks, io, prefix, model });
  disposeParams(store);
  return checks.results;
}
