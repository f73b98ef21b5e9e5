/** The estimate of an update's memory is what the engine's own count of live tensors finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../../../lib/engine/engine.ts';
import { native } from '../../../lib/engine/torch/binding.ts';
import { type ModelConfig, tokensPerImage } from '../../../lib/model/config.ts';
import { createMiniGpt, disposeMiniGpt } from '../../../lib/model/minigpt.ts';
import { IMAGE_SLOT } from '../../../lib/model/splice.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { stepMemory } from '../../../lib/train/memory.ts';
import type { TrainableGroup } from '../../../lib/train/stage.ts';
import { type StepBatch, trainStep } from '../../../lib/train/step.ts';
import { trainableIn } from '../../../lib/train/trainable.ts';

await openEngine({ backend: 'torch', device: 'cpu', threads: 1 });

const MODEL: ModelConfig = {
  vision: { imageSize: 56, patch: 14, width: 48, depth: 2, heads: 2, mlpHidden: 96, eps: 1e-6, lnEps: 1e-5 },
  join: 4,
  llm: {
    ...{ vocabulary: 3000, width: 64, mlpHidden: 176, layers: 3, heads: 4, kvHeads: 2 },
    ...{ rmsEps: 1e-5, ropeBase: 10000, tieEmbeddings: true },
  },
  lora: { rank: 4, alpha: 8, dropout: 0.1, targets: ['q_proj', 'v_proj'] },
};
const ROWS = 4;
const TOKENS = 96;

function batchWith(supervised: number, masked: boolean): StepBatch {
  const places = Array.from({ length: ROWS * TOKENS }, (_, i) => i);
  const end = 4 + tokensPerImage(MODEL);
  const isImage = (i: number) => i % TOKENS >= 4 && i % TOKENS < end;
  return {
    tokenIds: Int32Array.from(places, (i) => (isImage(i) ? IMAGE_SLOT : 3 + (i % 2000))),
    labels: Int32Array.from(places, (i) => (i % TOKENS >= TOKENS - supervised ? 3 + (i % 2000) : -1)),
    attentionMask: new Uint8Array(ROWS * TOKENS).fill(1),
    shape: [ROWS, TOKENS],
    pixels: new Uint8Array(ROWS * 3 * MODEL.vision.imageSize ** 2),
    ...(masked
      ? {
          positions: Int32Array.from(places, (i) => i % TOKENS),
          blocks: { groups: new Int32Array(ROWS * TOKENS), branches: new Int32Array(ROWS * TOKENS) },
        }
      : {}),
  };
}

interface Case {
  name: string;
  supervised: number;
  passes?: number;
  recompute?: boolean;
  masked?: boolean;
  trainable?: TrainableGroup[];
  /** Largest share by which estimate and count may differ. */
  tolerance: number;
}

const CASES: Case[] = [
  { name: 'where the loss is the fullest moment', supervised: 40, tolerance: 0.02 },
  { name: 'where the backward pass is', supervised: 4, tolerance: 0.02 },
  { name: 'with recompute', supervised: 2, recompute: true, tolerance: 0.05 },
  { name: 'with the mask of packed rows', supervised: 4, masked: true, tolerance: 0.02 },
  {
    name: 'in two passes, the language model training',
    supervised: 20,
    passes: 2,
    trainable: ['projector', 'lora', 'llm'],
    tolerance: 0.06,
  },
];

for (const { name, supervised, passes = 1, recompute = false, masked = false, tolerance, ...rest } of CASES) {
  test(`the estimate is the peak of the tensors ${name}`, async () => {
    const trainable = rest.trainable ?? ['projector', 'lora'];
    const before = native().stats()[1];
    const model = createMiniGpt({ config: MODEL, trainable: trainableIn(trainable), seed: 1 });
    const variables = trainableOf(model.store);
    const optimizer = createAdamW(variables, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
    native().resetPeak();
    const microBatches = Array.from({ length: passes }, () => batchWith(supervised, masked));
    const options = { dropout: { rate: 0.1, seed: 1 }, recompute };
    await trainStep({ model, trainable: variables, optimizer, microBatches, step: 0, lr: 1e-3, options });
    const measured = native().stats()[2] - before;
    optimizer.dispose();
    disposeMiniGpt(model);
    const engine = { backend: 'torch', device: 'cpu', precision: 'float32' } as const;
    const pass = { rows: ROWS, tokens: TOKENS, images: ROWS, supervised: ROWS * supervised, masked };
    const estimate = stepMemory({ model: MODEL, trainable, engine, recompute }, pass, passes);
    const { parameters, optimizer: moments, peak, fullest } = estimate;
    // What does not depend on the moment is left out, so that it cannot hide a wrong sum.
    const fixed = parameters.frozen + parameters.trainable + moments;
    const ratio = (peak - fixed) / (measured - fixed);
    assert.ok(Math.abs(ratio - 1) <= tolerance, `${fullest}: ${peak - fixed} estimated, ${measured - fixed} counted`);
  });
}
