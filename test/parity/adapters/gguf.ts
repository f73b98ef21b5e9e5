/** GGUF files: names, row order and widened blocks against what transformers reads from the same file, and the logits of both. */
import { basename, join } from 'node:path';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import { publishedLlama } from '../../../lib/checkpoint/llama-settings.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { llamaParams } from '../../../lib/model/params.ts';
import { llamaShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams } from '../../../lib/model/store.ts';
import { hostWeight, LIMITS, type Report, readJson, readTensors, recorded, report } from '../fixture.ts';
import { caseLogits, readCase } from '../language.ts';
import type { ParityResult } from '../result.ts';

interface RecordedCase {
  kv_heads: number;
  rope_base: number;
  tied: boolean;
  rms_norm_eps: number;
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const { cases } = await readJson<{ cases: Record<string, RecordedCase> }>(dir, 'config.json');
  const checks = report(basename(dir));
  for (const [name, facts] of Object.entries(cases)) await compareFile(checks, { dir, name, facts });
  return checks.results;
}

async function compareFile(
  checks: Report,
  { dir, name, facts }: { dir: string; name: string; facts: RecordedCase },
): Promise<void> {
  const path = join(dir, `${name}.gguf`);
  const published = await publishedLlama(path);
  if (published === undefined) throw new Error(`${path} has no settings`);
  const config = published.settings;
  const found = [config.kvHeads, config.ropeBase, config.tieEmbeddings, Math.fround(config.rmsEps)];
  const wanted = [facts.kv_heads, facts.rope_base, facts.tied, Math.fround(facts.rms_norm_eps)];
  checks.equal(`${name}.settings`, found, wanted);
  const { tensors } = await readWeights({ path, expected: llamaShapes(config) });
  const reference = await readTensors(join(dir, `${name}.hf.safetensors`));
  checks.equal(
    `${name}.names`,
    [...tensors.keys()].map((key) => key.replace('llama_model.', '')).sort(),
    [...reference.keys()].sort(),
  );
  for (const [key, tensor] of reference) {
    const own = tensors.get(`llama_model.${key}`);
    checks.equal(`${name}.${key}`, own === undefined ? [] : toFloat32(own), toFloat32(tensor));
  }
  const store = createParams({
    shapes: llamaShapes(config),
    source: (key) => {
      const tensor = tensors.get(key);
      return tensor && hostWeight(tensor);
    },
    trainable: () => false,
    seed: 0,
  });
  const params = llamaParams(store, config);
  const io = recorded(
    new Map([...(await readTensors(join(dir, `${name}.io.safetensors`)))].map(([key, value]) => [`io.${key}`, value])),
  );
  const input = readCase(io, 'io', params);
  const logits = caseLogits({ config, params, trainable: new Map() }, input);
  checks.close(`${name}.logits`, logits.dataSync(), io.floats('io.logits'), LIMITS.activation);
  logits.dispose();
  input.embeddings.dispose();
  disposeParams(store);
}
