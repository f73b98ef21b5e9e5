/** Typed trees over a store of weights: what the forward reads. They own nothing; the store does. */
import { TristageError } from '../core/errors.ts';
import type { Tensor } from '../engine/tf.ts';
import {
  type LlamaConfig,
  LORA_TARGETS,
  type LoraConfig,
  type LoraTarget,
  loraScaling,
  type ModelConfig,
  type VisionConfig,
} from './config.ts';
import { LLAMA_PREFIX, LN_VISION_PREFIX, POS_EMBED, PROJECTOR_PREFIX, VISION_PREFIX } from './shapes.ts';
import type { ParamStore } from './store.ts';

export interface Affine {
  weight: Tensor;
  bias: Tensor;
}

export interface VisionBlockParams {
  norm1: Affine;
  qkv: Tensor;
  /** f32[3 D] of queries, keys and values, or EVA's two. */
  qkvBias: Tensor | { q: Tensor; v: Tensor };
  attentionOut: Affine;
  norm2: Affine;
  fc1: Affine;
  fc2: Affine;
  /** f32[D] each: factors of what attention and feed-forward part add. */
  scales?: { attention: Tensor; mlp: Tensor };
}

export interface VisionParams {
  cls: Tensor;
  posEmbed: Tensor;
  patchEmbed: Affine;
  blocks: readonly VisionBlockParams[];
  lnVision: Affine;
}

export interface LlamaBlockParams {
  inputNorm: Tensor;
  postNorm: Tensor;
  linears: Readonly<Record<LoraTarget, Tensor>>;
}

export interface LlamaParams {
  embedTokens: Tensor;
  blocks: readonly LlamaBlockParams[];
  norm: Tensor;
  lmHead: Tensor;
}

/** One adapter: A f32[R, in], B f32[out, R]. */
export interface LoraPair {
  a: Tensor;
  b: Tensor;
}

export interface LoraParams {
  scaling: number;
  /** Adapters of each layer by target; a target without adapter is absent. */
  layers: readonly Readonly<Partial<Record<LoraTarget, LoraPair>>>[];
}

/** Everything that the forward reads. */
export interface ModelParams {
  vision: VisionParams;
  projector: Affine;
  llama: LlamaParams;
  lora?: LoraParams;
}

/** A reader of one store that names the key it misses. */
function reader(store: ParamStore): (name: string) => Tensor {
  return (name) => {
    const tensor = store.get(name);
    if (tensor !== undefined) return tensor;
    throw new TristageError({
      kind: 'failure',
      code: 'E_WEIGHT_MISSING',
      message: 'A weight of the model was not created',
      where: name,
      found: `${store.size} other weights`,
      expected: 'every weight of the configured model',
    });
  };
}

function affine(get: (name: string) => Tensor, path: string): Affine {
  return { weight: get(`${path}weight`), bias: get(`${path}bias`) };
}

/** @returns the tree of the ViT and `ln_vision` over a store; owns nothing */
export function visionParams(store: ParamStore, config: VisionConfig): VisionParams {
  const get = reader(store);
  return {
    cls: get(`${VISION_PREFIX}cls_token`),
    posEmbed: get(POS_EMBED),
    patchEmbed: affine(get, `${VISION_PREFIX}patch_embed.proj.`),
    blocks: Array.from({ length: config.depth }, (_, layer) => {
      const path = `${VISION_PREFIX}blocks.${layer}.`;
      return {
        norm1: affine(get, `${path}norm1.`),
        qkv: get(`${path}attn.qkv.weight`),
        qkvBias:
          config.qkvBias === true
            ? get(`${path}attn.qkv.bias`)
            : { q: get(`${path}attn.q_bias`), v: get(`${path}attn.v_bias`) },
        attentionOut: affine(get, `${path}attn.proj.`),
        norm2: affine(get, `${path}norm2.`),
        fc1: affine(get, `${path}mlp.fc1.`),
        fc2: affine(get, `${path}mlp.fc2.`),
        ...(config.layerScale === true
          ? { scales: { attention: get(`${path}ls1.gamma`), mlp: get(`${path}ls2.gamma`) } }
          : {}),
      };
    }),
    lnVision: affine(get, LN_VISION_PREFIX),
  };
}

/** @returns the projector's weight and bias over a store; owns nothing */
export function projectorParams(store: ParamStore): Affine {
  return affine(reader(store), PROJECTOR_PREFIX);
}

/** The module path of a LoRA target inside a block. */
export function targetPath(layer: number, target: LoraTarget): string {
  const group = target.startsWith('gate') || target.startsWith('up') || target.startsWith('down') ? 'mlp' : 'self_attn';
  return `${LLAMA_PREFIX}model.layers.${layer}.${group}.${target}`;
}

/** @returns the tree of LLaMA over a store; owns nothing */
export function llamaParams(store: ParamStore, config: LlamaConfig): LlamaParams {
  const get = reader(store);
  const embedTokens = get(`${LLAMA_PREFIX}model.embed_tokens.weight`);
  return {
    embedTokens,
    blocks: Array.from({ length: config.layers }, (_, layer) => ({
      inputNorm: get(`${LLAMA_PREFIX}model.layers.${layer}.input_layernorm.weight`),
      postNorm: get(`${LLAMA_PREFIX}model.layers.${layer}.post_attention_layernorm.weight`),
      linears: Object.fromEntries(
        LORA_TARGETS.map((target) => [target, get(`${targetPath(layer, target)}.weight`)]),
      ) as Record<LoraTarget, Tensor>,
    })),
    norm: get(`${LLAMA_PREFIX}model.norm.weight`),
    lmHead: config.tieEmbeddings ? embedTokens : get(`${LLAMA_PREFIX}lm_head.weight`),
  };
}

/** @returns the adapters of a language model of `layers` layers over a store; owns nothing */
export function loraParams(store: ParamStore, lora: LoraConfig, layers: number): LoraParams {
  const get = reader(store);
  const pairs = Array.from({ length: layers }, (_, layer) => {
    const ofLayer: Partial<Record<LoraTarget, LoraPair>> = {};
    for (const target of lora.targets) {
      const path = targetPath(layer, target);
      ofLayer[target] = { a: get(`${path}.lora_A.weight`), b: get(`${path}.lora_B.weight`) };
    }
    return ofLayer;
  });
  return { scaling: loraScaling(lora), layers: pairs };
}

/** @returns the trees of a whole model over a store; owns nothing */
export function modelParams(store: ParamStore, config: ModelConfig): ModelParams {
  const { lora, llm } = config;
  return {
    vision: visionParams(store, config.vision),
    projector: projectorParams(store),
    llama: llamaParams(store, config.llm),
    ...(lora === undefined ? {} : { lora: loraParams(store, lora, llm.layers) }),
  };
}
