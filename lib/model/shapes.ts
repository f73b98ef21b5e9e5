/** The published name and the shape of every weight, derived from the config: the contract that loaded files must meet. */
import {
  gridSide,
  headWidth,
  type LlamaConfig,
  type LoraConfig,
  type ModelConfig,
  type VisionConfig,
} from './config.ts';

export type ShapeTable = ReadonlyMap<string, readonly number[]>;
type Entry = [name: string, shape: readonly number[]];

/** In-memory prefixes of the four parts of the model. */
export const VISION_PREFIX = 'visual_encoder.';
export const LN_VISION_PREFIX = 'ln_vision.';
export const PROJECTOR_PREFIX = 'llama_proj.';
export const LLAMA_PREFIX = 'llama_model.';
export const POS_EMBED = `${VISION_PREFIX}pos_embed`;

/** @returns name -> shape of the ViT and `ln_vision`; EVA's names, for options that EVA lacks those of DINOv2 */
export function visionShapes(config: VisionConfig): ShapeTable {
  const { width: D, patch, mlpHidden } = config;
  const entries: Entry[] = [
    [`${VISION_PREFIX}cls_token`, [1, 1, D]],
    [POS_EMBED, [1, 1 + gridSide(config) ** 2, D]],
    [`${VISION_PREFIX}patch_embed.proj.weight`, [D, 3, patch, patch]],
    [`${VISION_PREFIX}patch_embed.proj.bias`, [D]],
  ];
  for (let layer = 0; layer < config.depth; layer++) {
    const block = `${VISION_PREFIX}blocks.${layer}.`;
    entries.push(
      [`${block}norm1.weight`, [D]],
      [`${block}norm1.bias`, [D]],
      ...(config.qkvBias === true
        ? ([[`${block}attn.qkv.bias`, [3 * D]]] satisfies Entry[])
        : ([
            [`${block}attn.q_bias`, [D]],
            [`${block}attn.v_bias`, [D]],
          ] satisfies Entry[])),
      [`${block}attn.qkv.weight`, [3 * D, D]],
      [`${block}attn.proj.weight`, [D, D]],
      [`${block}attn.proj.bias`, [D]],
      [`${block}norm2.weight`, [D]],
      [`${block}norm2.bias`, [D]],
      [`${block}mlp.fc1.weight`, [mlpHidden, D]],
      [`${block}mlp.fc1.bias`, [mlpHidden]],
      [`${block}mlp.fc2.weight`, [D, mlpHidden]],
      [`${block}mlp.fc2.bias`, [D]],
    );
    if (config.layerScale === true) entries.push([`${block}ls1.gamma`, [D]], [`${block}ls2.gamma`, [D]]);
  }
  entries.push([`${LN_VISION_PREFIX}weight`, [D]], [`${LN_VISION_PREFIX}bias`, [D]]);
  return new Map(entries);
}

/** @returns name -> shape of the linear map from `join` visual tokens to one language token */
export function projectorShapes(config: ModelConfig): ShapeTable {
  const inputs = config.join * config.vision.width;
  return new Map<string, readonly number[]>([
    [`${PROJECTOR_PREFIX}weight`, [config.llm.width, inputs]],
    [`${PROJECTOR_PREFIX}bias`, [config.llm.width]],
  ]);
}

/** @returns [out, in] of each linear map of a LLaMA block, by its module path inside the block */
function blockLinears(config: LlamaConfig): Entry[] {
  const { width: D, mlpHidden } = config;
  const kv = config.kvHeads * headWidth(config);
  return [
    ['self_attn.q_proj', [D, D]],
    ['self_attn.k_proj', [kv, D]],
    ['self_attn.v_proj', [kv, D]],
    ['self_attn.o_proj', [D, D]],
    ['mlp.gate_proj', [mlpHidden, D]],
    ['mlp.up_proj', [mlpHidden, D]],
    ['mlp.down_proj', [D, mlpHidden]],
  ];
}

/** @returns name -> shape of LLaMA (reference.md 2.3), `lm_head` left out where embeddings are tied */
export function llamaShapes(config: LlamaConfig): ShapeTable {
  const { width: D, vocabulary } = config;
  const entries: Entry[] = [[`${LLAMA_PREFIX}model.embed_tokens.weight`, [vocabulary, D]]];
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `${LLAMA_PREFIX}model.layers.${layer}.`;
    for (const [module, shape] of blockLinears(config)) entries.push([`${block}${module}.weight`, shape]);
    entries.push([`${block}input_layernorm.weight`, [D]], [`${block}post_attention_layernorm.weight`, [D]]);
  }
  entries.push([`${LLAMA_PREFIX}model.norm.weight`, [D]]);
  if (!config.tieEmbeddings) entries.push([`${LLAMA_PREFIX}lm_head.weight`, [vocabulary, D]]);
  return new Map(entries);
}

/** @returns name -> shape of the adapters: A [rank, in] and B [out, rank] for each target of each layer */
export function loraShapes(llama: LlamaConfig, lora: LoraConfig): ShapeTable {
  const entries: Entry[] = [];
  for (let layer = 0; layer < llama.layers; layer++) {
    for (const [module, shape] of blockLinears(llama)) {
      if (!lora.targets.some((target) => module.endsWith(`.${target}`))) continue;
      const [outputs, inputs] = shape as [number, number];
      const path = `${LLAMA_PREFIX}model.layers.${layer}.${module}`;
      entries.push([`${path}.lora_A.weight`, [lora.rank, inputs]], [`${path}.lora_B.weight`, [outputs, lora.rank]]);
    }
  }
  return new Map(entries);
}

/**
 * Every weight of a model in a fixed order: vision, projector, LLaMA, adapters.
 * @returns in-memory published name -> shape
 */
export function modelShapes(config: ModelConfig): ShapeTable {
  return new Map([
    ...visionShapes(config.vision),
    ...projectorShapes(config),
    ...llamaShapes(config.llm),
    ...(config.lora === undefined ? [] : loraShapes(config.llm, config.lora)),
  ]);
}

/** Number of values of a tensor. */
export function valuesIn(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** @returns number of values of all weights of a table */
export function countValues(shapes: ShapeTable): number {
  let total = 0;
  for (const shape of shapes.values()) total += valuesIn(shape);
  return total;
}
