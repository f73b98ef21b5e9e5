/** What is measured: the models, their batches and the ops, for a GPU or, `tiny`, for any machine in seconds. */
import type { ModelConfig } from '../../lib/model/config.ts';
import { preset } from '../../lib/model/presets.ts';
import { modelShapes } from '../../lib/model/shapes.ts';
import { OP_CASES, opCasesOf } from '../../lib/run/bench/op-cases.ts';
import { stepFlops } from '../../lib/run/bench/step/flops.ts';
import type { OpsPlan } from './parts/ops.ts';

/** One model whose step is measured with growing micro-batches; both sides read it. */
export interface StepPlan {
  name: string;
  model: ModelConfig;
  /** Name -> shape of every weight. */
  shapes: [string, number[]][];
  /** Names of the weights that train. */
  trained: string[];
  /** Tokens of a sample, its image's included, and how many at its end are supervised. */
  tokens: number;
  answer: number;
  /** Where the image begins. */
  imageStart: number;
  batches: number[];
  warmup: number;
  count: number;
  lr: number;
  /** Operations of a sample: with logits where there is a loss, and with logits everywhere, as the reference recipe has them. */
  flops: { supervised: number; everywhere: number };
}

/** Standard deviation of random matrices: the published start of LLaMA's. */
export const WEIGHT_STD = 0.02;

interface StepSizes {
  tokens: number;
  answer: number;
  batches: number[];
  count: number;
}

function stepPlan(name: string, model: ModelConfig, sizes: StepSizes): StepPlan {
  const { tokens, answer } = sizes;
  // All pairs: plain attention computes those that causality hides too.
  const sample = { images: 1, projected: 1, tokens, pairs: tokens ** 2 };
  const shapes = [...modelShapes(model)].map(([weight, shape]): [string, number[]] => [weight, [...shape]]);
  return {
    name,
    model,
    shapes,
    trained: shapes.map(([weight]) => weight).filter((weight) => /\.lora_|^llama_proj\./.test(weight)),
    imageStart: 6,
    warmup: 1,
    lr: 1e-5,
    ...sizes,
    flops: {
      supervised: stepFlops(model, { ...sample, logits: answer }),
      everywhere: stepFlops(model, { ...sample, logits: tokens }),
    },
  };
}

function oneLayer(model: ModelConfig): ModelConfig {
  return { ...model, vision: { ...model.vision, depth: 1 }, llm: { ...model.llm, layers: 1 } };
}

/** The released model's sizes: 256 visual tokens of a 448 px image and 128 of text. `tiny`: 16 and 24, with plain heads. */
export function stepPlans(tiny: boolean): StepPlan[] {
  if (!tiny) {
    const model = preset('minigptv2-7b');
    const sizes = { tokens: 384, answer: 32, batches: [1, 2, 4, 8], count: 3 };
    return [stepPlan('7b-one-layer', oneLayer(model), sizes), stepPlan('7b-full', model, sizes)];
  }
  const { llm, lora, ...rest } = preset('tiny');
  // The PyTorch side knows neither tied embeddings nor shared heads of keys, which the 7B model has not.
  const model = {
    ...rest,
    llm: { ...llm, kvHeads: llm.heads, tieEmbeddings: false },
    lora: { ...lora!, dropout: 0.05 },
  };
  const sizes = { tokens: 40, answer: 8, batches: [1, 2], count: 1 };
  return [stepPlan('tiny-one-layer', oneLayer(model), sizes), stepPlan('tiny-full', model, sizes)];
}

/** One layer of 7B at micro-batch 4. */
const LAYER = { name: '7b', batch: 4, tokens: 384, width: 4096, heads: 32, mlp: 11008, vocabulary: 32000, rank: 64 };

/** The ops of `tristage bench ops`, and those of one layer of 7B. */
export function opsPlan(tiny: boolean): OpsPlan {
  if (tiny) return { cases: OP_CASES.filter(({ name }) => name.startsWith('tiny-')), warmup: 1, count: 2 };
  return { cases: [...OP_CASES, ...opCasesOf(LAYER)], warmup: 3, count: 20 };
}
