/**
 * Spellings of weight names. In memory every weight has one published name: `visual_encoder.*`, `ln_vision.*`, `llama_proj.*`,
 * `llama_model.model.*`, `llama_model.lm_head.weight`, and adapters beside the matrix they adapt, as in
 * `llama_model.model.layers.0.self_attn.q_proj.lora_A.weight`. Files of other programs say the same in their own way.
 */

import { TristageError } from '../core/errors.ts';

/**
 * Who wrote the names of a file. `minigptv2`: a whole model or the reference's checkpoint, whose language model is wrapped by PEFT;
 * also our own names. `peft`: an adapter or a model wrapped by PEFT. `llama`: a Hugging Face LLaMA. `eva`: a bare EVA ViT. `vit`: a bare ViT
 * as DINOv2 and timm name it. `gguf`: a LLaMA as llama.cpp names it.
 */
export type WeightLayout = 'minigptv2' | 'peft' | 'llama' | 'eva' | 'vit' | 'gguf';

/** What a file's name stands for: a weight of the model, or something that no model here needs, with the reason. */
export type NameMeaning = { name: string } | { ignored: string };

const EVA_BLOCK = 39;

/** Keys of published files that the model does not use. */
const UNUSED: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)rotary_emb\.inv_freq$/, 'rotary frequencies are computed'],
  [/^visual_encoder\.(norm|fc_norm)\.(weight|bias)$/, 'the ViT has no final norm'],
  [/^visual_encoder\.head\.(weight|bias)$/, 'the ViT has no classifier'],
  [/^visual_encoder\.mask_token$/, 'patches are hidden in pretraining only'],
  [new RegExp(`^visual_encoder\\.blocks\\.${EVA_BLOCK}\\.`), `the ViT-g is used without its block ${EVA_BLOCK}`],
];

/**
 * Who wrote a set of names.
 * @param names the keys of the file
 * @param where the file, for the error
 * @throws TristageError E_WEIGHT_LAYOUT when the names belong to no known program
 */
export function detectLayout(names: Iterable<string>, where: string): WeightLayout {
  const all = [...names];
  const some = (pattern: RegExp): boolean => all.some((name) => pattern.test(name));
  if (some(/^(llama_model|llama_proj|visual_encoder|ln_vision)\./)) return 'minigptv2';
  if (some(/^base_model\.model\./)) return 'peft';
  if (some(/^model\.(embed_tokens|layers|norm)\./)) return 'llama';
  if (some(/^blocks\.\d+\.(attn\.qkv\.bias|ls1\.gamma)$/)) return 'vit';
  if (some(/^(blocks\.\d+|patch_embed\.proj)\./)) return 'eva';
  if (some(/^(token_embd\.|blk\.\d+\.)/)) return 'gguf';
  throw new TristageError({
    kind: 'checkpoint',
    code: 'E_WEIGHT_LAYOUT',
    message: 'the names of the weights belong to no known program',
    where,
    found:
      all.length === 0 ? 'no weight at all' : `${all.length} names such as ${all.slice(0, 4).join(', ')}`.slice(0, 300),
    expected:
      'a MiniGPT-v2 checkpoint, a PEFT adapter, a LLaMA of Hugging Face or llama.cpp, or a ViT of EVA or DINOv2',
    fix: 'give the file of weights itself, in one of these spellings',
  });
}

/**
 * The meaning of one name of a file.
 * @param vitDepth blocks of the ViT; without it, block 39 is taken as the surplus one of the published ViT-g
 */
export function meaningOf(raw: string, layout: WeightLayout, vitDepth?: number): NameMeaning {
  const name = inMemory(raw, layout);
  const unused = UNUSED.find(([pattern]) => pattern.test(name));
  const isModelBlock = vitDepth !== undefined && vitDepth > EVA_BLOCK && name.includes(`.blocks.${EVA_BLOCK}.`);
  return unused === undefined || isModelBlock ? { name } : { ignored: unused[1] };
}

function inMemory(raw: string, layout: WeightLayout): string {
  switch (layout) {
    case 'eva':
      return `visual_encoder.${raw}`;
    case 'vit':
      return raw.startsWith('norm.') ? `ln_vision.${raw.slice('norm.'.length)}` : `visual_encoder.${raw}`;
    case 'llama':
    case 'peft':
      return unwrapped(`llama_model.${raw}`);
    case 'minigptv2':
      return unwrapped(raw);
    case 'gguf':
      return `llama_model.${fromGguf(raw)}`;
  }
}

/** llama.cpp's words for the parts of LLaMA (its gguf-py/gguf/constants.py, MODEL_ARCH.LLAMA). */
const GGUF_PARTS: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** A name that llama.cpp has and LLaMA does not stays as it is. */
function fromGguf(raw: string): string {
  const [, layer, part = '', kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(raw) ?? [];
  const words = Object.hasOwn(GGUF_PARTS, part) ? GGUF_PARTS[part] : undefined;
  if (words === undefined || (layer === undefined) !== /^(model|lm_head)/.test(words)) return raw;
  return `${layer === undefined ? '' : `model.layers.${layer}.`}${words}.${kind}`;
}

/**
 * Undoes what PEFT does to names: the wrapper's prefix, the frozen matrix as `base_layer`, the adapter's own name after `lora_A`
 * (`default` as a rule), and the head inside a sequence, which its preparation for 8-bit weights leaves.
 */
function unwrapped(name: string): string {
  if (!name.startsWith('llama_model.')) return name;
  return name
    .replace(/^llama_model\.base_model\.model\./, 'llama_model.')
    .replace(/^llama_model\.lm_head\.0\.weight$/, 'llama_model.lm_head.weight')
    .replace(/\.base_layer\.weight$/, '.weight')
    .replace(/\.lora_([AB])\.[^.]+\.weight$/, '.lora_$1.weight');
}

/**
 * How a program spells a weight. `minigptv2`: the reference with the PEFT version that it pins. `minigptv2-default`: the same with
 * PEFT 0.3 or later. `peft`: an adapter file. `llama`, `eva`: the bare models.
 */
export type Spelling = 'minigptv2' | 'minigptv2-default' | 'peft' | 'llama' | 'eva';

/**
 * The name under which a program expects a weight.
 * @param name in-memory name
 * @throws TristageError E_WEIGHT_NAME when the spelling has no word for it, as an adapter file for the projector
 */
export function spelled(name: string, spelling: Spelling): string {
  const part = name.slice(0, name.indexOf('.') + 1);
  const rest = name.slice(part.length);
  const isLlama = part === 'llama_model.';
  const isLora = isLlama && /\.lora_[AB]\.weight$/.test(name);
  if (spelling === 'minigptv2' || spelling === 'minigptv2-default') {
    if (!isLlama) return name;
    const wrapped = `llama_model.base_model.model.${rest}`;
    return spelling === 'minigptv2' ? wrapped : wrapped.replace(/\.lora_([AB])\.weight$/, '.lora_$1.default.weight');
  }
  if (spelling === 'peft' && isLora) return `base_model.model.${rest}`;
  if (spelling === 'llama' && isLlama && !isLora) return rest;
  if (spelling === 'eva' && part === 'visual_encoder.') return rest;
  throw new TristageError({
    kind: 'checkpoint',
    code: 'E_WEIGHT_NAME',
    message: 'a weight has no name in this spelling',
    where: name,
    found: name,
    expected: `a weight that ${spelling} files hold`,
  });
}
