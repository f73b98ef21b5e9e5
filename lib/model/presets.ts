/** Named models. Numbers of `minigptv2-7b` are those of the released model (reference.md 1.1, 2.1, 2.5); the others are our choice. */
import { TristageError } from '../core/errors.ts';
import type { ModelConfig, VisionConfig } from './config.ts';

const EVA_EPS: Pick<VisionConfig, 'eps' | 'lnEps'> = { eps: 1e-6, lnEps: 1e-5 };
const LORA_TARGETS = ['q_proj', 'v_proj'] as const;

const PRESETS: Readonly<Record<string, ModelConfig>> = {
  /** EVA ViT-g/14 at 448 px without its last block, LLaMA-2-7B-chat, LoRA 64. */
  'minigptv2-7b': {
    vision: { imageSize: 448, patch: 14, width: 1408, depth: 39, heads: 16, mlpHidden: 6144, ...EVA_EPS },
    join: 4,
    llm: {
      vocabulary: 32000,
      width: 4096,
      mlpHidden: 11008,
      layers: 32,
      heads: 32,
      kvHeads: 32,
      rmsEps: 1e-5,
      ropeBase: 10000,
      tieEmbeddings: false,
    },
    lora: { rank: 64, alpha: 16, dropout: 0.05, targets: LORA_TARGETS },
  },
  /** About 130 million weights: large enough that matrix products, not overheads, decide the speed of a step on a CPU. */
  mid: {
    vision: { imageSize: 224, patch: 14, width: 384, depth: 12, heads: 6, mlpHidden: 1536, ...EVA_EPS },
    join: 4,
    llm: {
      vocabulary: 32000,
      width: 768,
      mlpHidden: 2048,
      layers: 12,
      heads: 12,
      kvHeads: 12,
      rmsEps: 1e-5,
      ropeBase: 10000,
      tieEmbeddings: false,
    },
    lora: { rank: 16, alpha: 16, dropout: 0.05, targets: LORA_TARGETS },
  },
  /** Two pretrained models that come with Python packages: a ViT-S/14 of the DINOv2 family at 224 px, and SmolLM2-135M-Instruct. */
  smol: {
    vision: {
      imageSize: 224,
      patch: 14,
      width: 384,
      depth: 12,
      heads: 6,
      mlpHidden: 1536,
      eps: 1e-6,
      lnEps: 1e-6,
      qkvBias: true,
      layerScale: true,
      finalNorm: true,
      pixels: 'imagenet',
    },
    join: 4,
    llm: {
      vocabulary: 49152,
      width: 576,
      mlpHidden: 1536,
      layers: 30,
      heads: 9,
      kvHeads: 3,
      rmsEps: 1e-5,
      ropeBase: 100000,
      tieEmbeddings: true,
    },
    lora: { rank: 16, alpha: 32, dropout: 0.05, targets: LORA_TARGETS },
  },
  /** Trains from nothing on a laptop: 16 visual tokens of a 112 px image, the real LLaMA vocabulary, tied embeddings. */
  tiny: {
    vision: { imageSize: 112, patch: 14, width: 192, depth: 4, heads: 3, mlpHidden: 768, ...EVA_EPS },
    join: 4,
    llm: {
      vocabulary: 32000,
      width: 192,
      mlpHidden: 512,
      layers: 4,
      heads: 6,
      kvHeads: 3,
      rmsEps: 1e-5,
      ropeBase: 10000,
      tieEmbeddings: true,
    },
    lora: { rank: 8, alpha: 16, dropout: 0, targets: LORA_TARGETS },
  },
};

/** Names that `model.preset` takes. */
export const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/**
 * @returns a copy of the preset
 * @throws TristageError `E_PRESET` for an unknown name
 */
export function preset(name: string): ModelConfig {
  const found = PRESETS[name];
  if (found !== undefined) return structuredClone(found);
  throw new TristageError({
    kind: 'config',
    code: 'E_PRESET',
    message: 'There is no such model preset',
    where: 'model.preset',
    found: name,
    expected: PRESET_NAMES.join(', '),
    fix: 'Take one of these names',
  });
}
