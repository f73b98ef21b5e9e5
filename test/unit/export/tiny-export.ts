/** A tiny model with random weights in every place, and what an export needs to know of it. Computes on TensorFlow.js's plain backend. */
import { tensorSources } from '../../../lib/checkpoint/tensors.ts';
import { keyOfText, randomStream } from '../../../lib/core/rng.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { collectPieces, pruneTokenizer } from '../../../lib/data/vocabulary.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import type { ExportRequest } from '../../../lib/export/export.ts';
import type { ModelConfig } from '../../../lib/model/config.ts';
import { createMiniGpt } from '../../../lib/model/minigpt.ts';
import { modelShapes } from '../../../lib/model/shapes.ts';

await tf.setBackend('cpu');
registerFusedKernels('cpu', {});

const whole = await llama2Tokenizer();
const kept = await collectPieces([], whole);

/** Grouped heads, four tokens an image, adapters of an odd scaling. */
export const TINY: ModelConfig = {
  vision: { imageSize: 56, patch: 14, width: 8, depth: 2, heads: 2, mlpHidden: 12, eps: 1e-6, lnEps: 1e-5 },
  join: 4,
  llm: {
    vocabulary: kept.length,
    width: 16,
    mlpHidden: 20,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    rmsEps: 1e-5,
    ropeBase: 10000,
    tieEmbeddings: false,
  },
  lora: { rank: 2, alpha: 3, dropout: 0.05, targets: ['q_proj', 'v_proj'] },
};

/**
 * What `exportModel` takes, except for format, options and folder. Each call makes a new model of the same weights.
 * @param values a weight's values by name; undefined for random ones
 */
export function tinyExport(
  config: ModelConfig = TINY,
  values: (name: string, length: number) => Float32Array | undefined = () => undefined,
): Pick<ExportRequest, 'subject' | 'model' | 'facts' | 'engine'> {
  const shapes = modelShapes(config);
  const model = createMiniGpt({
    config,
    trainable: () => false,
    seed: 0,
    source: (name) => {
      const shape = shapes.get(name) as readonly number[];
      const length = shape.reduce((product, size) => product * size, 1);
      const random = randomStream(keyOfText(name));
      const draw = (_: unknown, place: number): number => random.uint32(place) / 2 ** 32 - 0.5;
      return { shape, values: values(name, length) ?? Float32Array.from({ length }, draw) };
    },
  });
  return {
    model,
    subject: {
      config,
      weights: tensorSources(model.store),
      outside: [],
      vocabulary: { whole, kept, tokenizer: pruneTokenizer(whole, kept) },
    },
    facts: {
      name: 'tiny',
      stage: 'stage3-instruct',
      step: 3,
      tristage: '0.0.0',
      lineage: [],
      transform: 'pillow-bicubic',
    },
    engine: 'cpu',
  };
}
