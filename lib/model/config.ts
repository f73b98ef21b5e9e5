/** Sizes and constants of a model: everything that its maths needs besides the weights. */
import { TristageError } from '../core/errors.ts';

/** How pixels in 0..1 become the tower's input: with CLIP's mean and deviation of each colour, or with ImageNet's. */
export type PixelNorm = 'clip' | 'imagenet';

/**
 * A vision transformer. Without the options it is EVA's (MiniGPT-v2, eva_vit.py); with all of them it is that of DINOv2 (Oquab et al. 2023,
 * arXiv 2304.07193), as timm and its own code name the weights.
 */
export interface VisionConfig {
  /** Side of the square input in pixels. */
  imageSize: number;
  /** Side of a patch in pixels. */
  patch: number;
  width: number;
  depth: number;
  heads: number;
  mlpHidden: number;
  /** Epsilon of the LayerNorms inside the blocks. */
  eps: number;
  /** Epsilon of `ln_vision`, the norm after the last block. */
  lnEps: number;
  /** Queries, keys and values have one bias, `attn.qkv.bias`; EVA has one for queries, one for values and none for keys. */
  qkvBias?: boolean | undefined;
  /** Each half of a block is scaled channel by channel (`ls1.gamma`, `ls2.gamma`) before it is added. */
  layerScale?: boolean | undefined;
  /** The norm after the last block belongs to the published tower; EVA's has none there, and `ln_vision` starts neutral. */
  finalNorm?: boolean | undefined;
  /** Default `clip`. */
  pixels?: PixelNorm | undefined;
}

/**
 * Frequencies of the rotation, scaled for longer texts. `linear`: every one divided by the factor. `llama3`: the slow ones divided, the
 * fast ones left, and those between brought from one to the other.
 */
export type RopeScaling =
  | { type: 'linear'; factor: number }
  | {
      type: 'llama3';
      factor: number;
      /** Divides the original positions: longer waves than that are slow. */
      lowFrequencyFactor: number;
      /** Divides the original positions: shorter waves than that are fast. */
      highFrequencyFactor: number;
      /** Positions of the first training. */
      originalPositions: number;
    };

/** LLaMA as Hugging Face names its sizes. */
export interface LlamaConfig {
  vocabulary: number;
  width: number;
  mlpHidden: number;
  layers: number;
  heads: number;
  /** Heads of keys and values; `heads` for plain multi-head attention. */
  kvHeads: number;
  rmsEps: number;
  ropeBase: number;
  /** How positions beyond those of the first training were reached; absent: not at all. */
  ropeScaling?: RopeScaling | undefined;
  /** Whether `lm_head` is the embedding matrix itself. */
  tieEmbeddings: boolean;
}

/** Linear maps of a LLaMA block that may carry LoRA. */
export const LORA_TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
export type LoraTarget = (typeof LORA_TARGETS)[number];

/** Low-rank adapters (Hu et al. 2021) on the language model. */
export interface LoraConfig {
  rank: number;
  alpha: number;
  /** Probability of zeroing an entry of the adapter's input in training. */
  dropout: number;
  targets: readonly LoraTarget[];
  /** Scale by alpha / sqrt(rank) rather than alpha / rank. */
  rslora?: boolean;
}

export interface ModelConfig {
  vision: VisionConfig;
  /** How many neighbouring visual tokens are joined into one language token. */
  join: number;
  /** The language model. */
  llm: LlamaConfig;
  /** Absent: no adapters. */
  lora?: LoraConfig;
}

/** @returns number of patches on one side of the image */
export function gridSide(vision: VisionConfig): number {
  return vision.imageSize / vision.patch;
}

/** @returns language tokens that one image takes */
export function tokensPerImage(config: ModelConfig): number {
  return gridSide(config.vision) ** 2 / config.join;
}

/** @returns width of one attention head */
export function headWidth(config: { width: number; heads: number }): number {
  return config.width / config.heads;
}

/** @returns the factor in front of `B A x`: alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA */
export function loraScaling(lora: LoraConfig): number {
  return lora.alpha / (lora.rslora === true ? Math.sqrt(lora.rank) : lora.rank);
}

/**
 * Checks that sizes fit each other.
 * @throws TristageError `E_MODEL_CONFIG` naming the setting
 */
export function checkModelConfig(config: ModelConfig): void {
  const { vision, llm, lora } = config;
  requireMultiple('vision.imageSize', vision.imageSize, 'vision.patch', vision.patch);
  requireMultiple('vision.width', vision.width, 'vision.heads', vision.heads);
  requireMultiple('vision patches', gridSide(vision) ** 2, 'join', config.join);
  requireMultiple('llm.width', llm.width, 'llm.heads', llm.heads);
  requireMultiple('llm.heads', llm.heads, 'llm.kvHeads', llm.kvHeads);
  requireMultiple('llm head width', headWidth(llm), 'the two halves of a rotation', 2);
  if (lora === undefined) return;
  if (!(Number.isInteger(lora.rank) && lora.rank > 0)) {
    throw configError('lora.rank', String(lora.rank), 'a positive integer');
  }
  if (!(lora.dropout >= 0 && lora.dropout < 1)) throw configError('lora.dropout', String(lora.dropout), 'in [0, 1)');
  for (const target of lora.targets) {
    if (!LORA_TARGETS.includes(target)) throw configError('lora.targets', target, LORA_TARGETS.join(', '));
  }
}

function requireMultiple(what: string, value: number, ofWhat: string, factor: number): void {
  const fits = Number.isInteger(value) && Number.isInteger(factor) && factor > 0 && value > 0 && value % factor === 0;
  if (!fits) throw configError(what, String(value), `a positive multiple of ${ofWhat} (${factor})`);
}

function configError(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_MODEL_CONFIG',
    message: 'The sizes of the model do not fit each other',
    where,
    found,
    expected,
    fix: 'Correct this setting under `model`, or take a preset unchanged',
  });
}
