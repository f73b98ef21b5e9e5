/**
 * A process of its own that takes one training step of a large model with generated weights in bfloat16, at micro-batch 1 with recompute,
 * and tells what that took: `node step-child.ts CONFIG-JSON TOKENS ENGINE`.
 */
import { readFileSync } from 'node:fs';
import { keyOfText, mix32 } from '../../lib/core/rng.ts';
import { openEngine } from '../../lib/engine/engine.ts';
import { isNarrow } from '../../lib/engine/narrow.ts';
import { storedIn } from '../../lib/engine/precision.ts';
import { type ModelConfig, tokensPerImage } from '../../lib/model/config.ts';
import { loadMiniGpt } from '../../lib/model/minigpt.ts';
import { modelShapes } from '../../lib/model/shapes.ts';
import { IMAGE_SLOT } from '../../lib/model/splice.ts';
import { type LoadedWeight, trainableOf } from '../../lib/model/store.ts';
import { createAdamW } from '../../lib/train/adamw.ts';
import { trainStep } from '../../lib/train/step.ts';

const [json = '', tokens = '', backend = 'torch'] = process.argv.slice(2);
const config = JSON.parse(json) as ModelConfig;
const shapes = modelShapes(config);
const trains = (name: string): boolean => /\.lora_|^llama_proj\./.test(name);
const storage = (name: string, shape: readonly number[]) =>
  storedIn({ precision: 'bf16', shape, frozen: !trains(name) });

/** Largest resident set so far, bytes. */
const peak = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
const seconds = (since: number): number => (performance.now() - since) / 1000;

/** Matrices of bfloat16 words between 2^-7 and 2^-5 with a random sign, norms of one; what trains starts as ever. */
async function generated(name: string): Promise<LoadedWeight | undefined> {
  const shape = shapes.get(name) ?? [];
  if (trains(name)) return undefined;
  const size = shape.reduce((a, b) => a * b, 1);
  if (storage(name, shape) === 'float32') {
    return { shape, values: new Float32Array(size).fill(shape.length === 1 && name.endsWith('weight') ? 1 : 0) };
  }
  const values = new Uint16Array(size);
  const key = keyOfText(name);
  for (let i = 0; i < size; i++) values[i] = 0x3c00 | (mix32(i + key) & 0x80ff);
  return { shape, values };
}

/** One image, text behind it, the last eight tokens supervised. */
function batch() {
  const length = Number(tokens);
  const image = tokensPerImage(config);
  const tokenIds = Int32Array.from({ length }, (_, t) =>
    t >= 6 && t < 6 + image ? IMAGE_SLOT : 3 + ((t * 7919) % (config.llm.vocabulary - 3)),
  );
  const labels = tokenIds.map((id, t) => (t >= length - 8 ? id : -1));
  const pixels = Uint8Array.from({ length: 3 * config.vision.imageSize ** 2 }, (_, i) => (i * 31) % 256);
  return { tokenIds, labels, attentionMask: new Uint8Array(length).fill(1), shape: [1, length] as const, pixels };
}

await openEngine({ backend: backend as 'torch' | 'tensorflow', device: 'cpu' });
const before = process.memoryUsage.rss();
const loading = performance.now();
const model = await loadMiniGpt({ config, source: generated, trainable: trains, storage, seed: 1 });
const loadSeconds = seconds(loading);
const weights = [...model.store.values()].reduce(
  (bytes, tensor) => bytes + tensor.size * (isNarrow(tensor) ? 2 : 4),
  0,
);
const trainable = trainableOf(model.store);
const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
const loaded = peak();
const stepping = performance.now();
const { loss, fault } = await trainStep({
  model,
  trainable,
  optimizer,
  microBatches: [batch()],
  step: 0,
  lr: 1e-5,
  options: { recompute: true, dropout: { rate: 0.05, seed: 1 } },
});
console.log(
  JSON.stringify({ before, weights, loaded, peak: peak(), loadSeconds, stepSeconds: seconds(stepping), loss, fault }),
);
