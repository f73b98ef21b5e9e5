/** One decoder block of LLaMA (Touvron et al. 2023; Hugging Face's modeling_llama.py): pre-norm attention and SwiGLU. */
import { attention, joinHeads, rmsNorm, rope, splitHeads, swiGlu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { headWidth, type LlamaConfig, type LoraTarget } from '../config.ts';
import { adaptedLinear, type LoraDropout } from '../lora.ts';
import type { LlamaBlockParams, LoraParams } from '../params.ts';
import type { RopeTables } from './rope.ts';

/** Keys and values of one layer, rotated already: f32[B, K, S, Dh] each. */
export type KeyValues = { k: Tensor; v: Tensor };

/** What every block of one forward shares. */
export interface BlockContext {
  config: LlamaConfig;
  rope: RopeTables;
  /** f32[B, 1, T, S] additive, beside causality. */
  bias?: Tensor | undefined;
  lora?: LoraParams | undefined;
  dropout?: LoraDropout | undefined;
}

/** A linear map of this block by name, adapter included. */
type Project = (x: Tensor, target: LoraTarget) => Tensor;

/**
 * @param request x f32[B, T, D]; `past` are the keys and values of earlier tokens
 * @returns x f32[B, T, D] after the block, and keys and values f32[B, K, S + T, Dh] of all tokens so far; the caller disposes them
 */
export function llamaBlock(request: {
  x: Tensor;
  layer: number;
  params: LlamaBlockParams;
  context: BlockContext;
  past?: KeyValues | undefined;
}): { x: Tensor } & KeyValues {
  const { x, layer, params, context, past } = request;
  const { config, lora, dropout } = context;
  const project: Project = (input, target) =>
    adaptedLinear({
      x: input,
      weight: params.linears[target],
      site: { layer, target },
      pair: lora?.layers[layer]?.[target],
      scaling: lora?.scaling ?? 0,
      dropout,
    });
  return tf.tidy(() => {
    const { o, k, v } = selfAttention({ x: rmsNorm(x, params.inputNorm, config.rmsEps), project, context, past });
    const seen = tf.add(x, o);
    const normed = rmsNorm(seen, params.postNorm, config.rmsEps);
    const hidden = swiGlu(project(normed, 'gate_proj'), project(normed, 'up_proj'));
    return { x: tf.add(seen, project(hidden, 'down_proj')), k, v };
  });
}

function selfAttention(request: {
  x: Tensor;
  project: Project;
  context: BlockContext;
  past: KeyValues | undefined;
}): { o: Tensor } & KeyValues {
  const { x, project, context, past } = request;
  const { config, bias } = context;
  const { cos, sin } = context.rope;
  const { heads, kvHeads } = config;
  const q = rope(splitHeads(project(x, 'q_proj'), heads), cos, sin);
  const newK = rope(splitHeads(project(x, 'k_proj'), kvHeads), cos, sin);
  const newV = splitHeads(project(x, 'v_proj'), kvHeads);
  const k = past === undefined ? newK : tf.concat([past.k, newK], 2);
  const v = past === undefined ? newV : tf.concat([past.v, newV], 2);
  const seen = attention({ q, k, v, scale: headWidth(config) ** -0.5, causal: true, bias });
  return { o: project(joinHeads(seen), 'o_proj'), k, v };
}
