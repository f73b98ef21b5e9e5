/** The measuring side of `tristage bench scale`: steps of any length, attention alone, and steps over mixtures of any size. */
import { createLoader } from '../../data/loader.ts';
import { llama2Tokenizer } from '../../data/tokenizer.ts';
import { vectorJacobianProduct } from '../../engine/autograd/index.ts';
import { openEngine } from '../../engine/engine.ts';
import { attention } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { headWidth, tokensPerImage } from '../../model/config.ts';
import { createMiniGpt } from '../../model/minigpt.ts';
import { IMAGE_SLOT } from '../../model/splice.ts';
import { trainableOf } from '../../model/store.ts';
import { createAdamW } from '../../train/adamw.ts';
import { type StepBatch, trainStep } from '../../train/step.ts';
import { servePeer } from './peer.ts';
import { syntheticMixture } from './scale/rows.ts';
import { type StepModel, stepModel } from './step/case.ts';

const [backend, threads, preset] = process.argv.slice(2) as [string, string, StepModel];
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: Number(threads),
});
const config = stepModel(preset);
const imageTokens = tokensPerImage(config);
const model = createMiniGpt({
  config,
  trainable: (name) => name.includes('.lora_') || name.startsWith('llama_proj.'),
  seed: 1,
});
const trainable = trainableOf(model.store);
const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
const tokenizer = await llama2Tokenizer();
let updates = 0;

async function update(batch: StepBatch): Promise<number> {
  const start = performance.now();
  await trainStep({ model, trainable, optimizer, microBatches: [batch], step: updates++, lr: 1e-4 });
  return (performance.now() - start) / 1000;
}

/** One row: an image, a text, and an answer of a quarter of its length. */
function rowOf(tokens: number): StepBatch {
  const tokenIds = Int32Array.from({ length: tokens }, (_, t) =>
    t > 0 && t <= imageTokens ? IMAGE_SLOT : 3 + ((t * 7919) % (config.llm.vocabulary - 3)),
  );
  const side = config.vision.imageSize;
  return {
    tokenIds,
    labels: tokenIds.map((id, t) => (t >= tokens - Math.floor(tokens / 4) ? id : -1)),
    attentionMask: new Uint8Array(tokens).fill(1),
    shape: [1, tokens],
    pixels: new Uint8Array(3 * side * side).fill(128),
  };
}

/** Attention of all layers over a row, forward and backward. */
async function attentionTime(tokens: number): Promise<number> {
  const { heads, kvHeads, layers } = config.llm;
  const width = headWidth(config.llm);
  const make = (count: number) => tf.randomNormal([1, count, tokens, width]) as Tensor;
  const [q, k, v] = [make(heads), make(kvHeads), make(kvHeads)];
  const dy = tf.onesLike(q);
  const start = performance.now();
  for (let layer = 0; layer < layers; layer++) {
    const run = () => [attention({ q, k, v, scale: width ** -0.5, causal: true })];
    const gradients = tf.tidy(() => vectorJacobianProduct(run, [q, k, v], dy).grads as Tensor[]);
    // An engine may put work off until a value is read.
    if (layer === layers - 1) await tf.tidy(() => tf.slice(tf.reshape(gradients[0]!, [-1]), [0], [1])).data();
    tf.dispose(gradients);
  }
  const seconds = (performance.now() - start) / 1000;
  tf.dispose([q, k, v, dy]);
  return seconds;
}

/** One step of each length, and its attention. */
async function length({ tokens }: { tokens: number }): Promise<{ seconds: number; attention: number }> {
  return { seconds: await update(rowOf(tokens)), attention: await attentionTime(tokens) };
}

/** Steps from anywhere in the epochs of a mixture: finding, reading, encoding and packing their rows; and the update. */
async function rows({ rows, step, count }: { rows: number; step: number; count: number }) {
  const loader = createLoader({
    lines: syntheticMixture(rows),
    seed: 1,
    globalBatch: 16,
    encode: { tokenizer, imageTokens },
    images: { size: config.vision.imageSize },
    packing: { maxTokens: 256 },
    prefetch: 0,
  });
  const data: number[] = [];
  const train: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const batch = await loader.batch(step + i);
    data.push((performance.now() - start) / 1000);
    train.push(await update(batch as StepBatch));
  }
  await loader.close();
  return { data, train };
}

await servePeer({
  length: (command) => length(command as never),
  rows: (command) => rows(command as never),
  describe: () => engine,
});
