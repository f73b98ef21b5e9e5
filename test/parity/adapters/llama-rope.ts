/** Rope scaling, read from both spellings of config.json: frequencies and logits against transformers. */
import { basename, join } from 'node:path';
import { parseLlamaSettings } from '../../../lib/checkpoint/llama-settings.ts';
import { headWidth } from '../../../lib/model/config.ts';
import { ropeFrequencies } from '../../../lib/model/llama/rope.ts';
import { llamaParams } from '../../../lib/model/params.ts';
import { llamaShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams } from '../../../lib/model/store.ts';
import { LIMITS, readJson, readTensors, recorded, report } from '../fixture.ts';
import { caseLogits, readCase } from '../language.ts';
import type { ParityResult } from '../result.ts';
import { fixtureWeights } from '../weights.ts';

/** Frequencies are a few roundings of float32 away from torch's power function. */
const FREQUENCY_LIMIT = 5e-7;

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const { cases } = await readJson<{ cases: Record<string, { newer: object; older: object }> }>(dir, 'config.json');
  const weights = fixtureWeights(await readTensors(join(dir, 'weights.safetensors')));
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const checks = report(basename(dir));
  for (const [name, { newer, older }] of Object.entries(cases)) {
    const config = parseLlamaSettings(name, newer);
    const spellings = [config, parseLlamaSettings(name, older)].map((settings) => JSON.stringify(settings));
    checks.equal(`${name}.settings`, [spellings[1]], [spellings[0]]);
    const frequencies = ropeFrequencies({
      headWidth: headWidth(config),
      base: config.ropeBase,
      scaling: config.ropeScaling,
    });
    const expected = io.floats(`${name}.inv_freq`);
    const ratios = Array.from(frequencies, (frequency, j) => frequency / (expected[j] ?? 0));
    checks.near(
      `${name}.frequencies`,
      ratios,
      ratios.map(() => 1),
      FREQUENCY_LIMIT,
    );
    const shapes = llamaShapes(config);
    const store = createParams({ shapes, source: weights.source, trainable: () => false, seed: 0 });
    const params = llamaParams(store, config);
    const input = readCase(
      { ...io, has: () => false, shape: () => io.shape('input_ids'), ints: () => io.ints('input_ids') },
      name,
      params,
    );
    const logits = caseLogits({ config, params, trainable: new Map() }, input);
    checks.close(`${name}.logits`, logits.dataSync(), io.floats(`${name}.logits`), LIMITS.activation);
    logits.dispose();
    input.embeddings.dispose();
    disposeParams(store);
  }
  return checks.results;
}
