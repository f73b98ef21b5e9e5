/** A process of its own that loads a language model and tells how much memory that took: `node load-child.ts FILE CONFIG-JSON ENGINE`. */
import { readFileSync } from 'node:fs';
import { openEngine } from '../../lib/engine/engine.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { disposeMiniGpt } from '../../lib/model/minigpt.ts';
import { assembleModel } from '../../lib/run/weights.ts';

const [file = '', json = '', backend = 'torch'] = process.argv.slice(2);
const config = JSON.parse(json) as ModelConfig;
await openEngine({ backend: backend as 'torch' | 'tensorflow', device: 'cpu' });

/** Largest resident set so far, bytes; that of the parent, which getrusage would hand down, is not in it. */
const peak = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;

const before = process.memoryUsage.rss();
const { model, loads } = await assembleModel({ config, weights: { llm: file }, trainable: () => false, seed: 1 });
const resident = [...model.store.values()].reduce((bytes, { size }) => bytes + 4 * size, 0);
const first = (await model.store.get('llama_model.model.embed_tokens.weight')?.slice([0, 0], [1, 4]).data()) ?? [];
console.log(
  JSON.stringify({ before, peak: peak(), resident, found: loads[0]?.report.found.length, first: Array.from(first) }),
);
disposeMiniGpt(model);
