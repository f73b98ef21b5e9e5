/** A process of its own that loads a language model and tells how much memory that took: `node load-child.ts FILE CONFIG-JSON ENGINE PRECISION`. */
import { readFileSync } from 'node:fs';
import { openEngine } from '../../lib/engine/engine.ts';
import { isNarrow } from '../../lib/engine/narrow.ts';
import { type Precision, storedIn } from '../../lib/engine/precision.ts';
import type { Tensor } from '../../lib/engine/tf.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { disposeMiniGpt } from '../../lib/model/minigpt.ts';
import { assembleModel } from '../../lib/run/weights.ts';

const [file = '', json = '', backend = 'torch', precision = 'float32'] = process.argv.slice(2);
const config = JSON.parse(json) as ModelConfig;
await openEngine({ backend: backend as 'torch' | 'tensorflow', device: 'cpu' });

/** Largest resident set so far, bytes; that of the parent, which getrusage would hand down, is not in it. */
const peak = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;

const before = process.memoryUsage.rss();
const { model, loads } = await assembleModel({
  config,
  weights: { llm: file },
  trainable: () => false,
  storage: (_, shape) => storedIn({ precision: precision as Precision, shape, frozen: true }),
  seed: 1,
});
const bytesOf = (tensor: Tensor): number => tensor.size * (isNarrow(tensor) ? 2 : 4);
const resident = [...model.store.values()].reduce((bytes, tensor) => bytes + bytesOf(tensor), 0);
const first = (await model.store.get('llama_model.model.embed_tokens.weight')?.slice([0, 0], [1, 4]).data()) ?? [];
console.log(
  JSON.stringify({ before, peak: peak(), resident, found: loads[0]?.report.found.length, first: Array.from(first) }),
);
disposeMiniGpt(model);
