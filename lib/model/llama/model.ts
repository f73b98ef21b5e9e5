/** LLaMA from embeddings to hidden states to logits. */
import { recompute } from '../../engine/autograd/index.ts';
import { linear, rmsNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../../engine/tf.ts';
import type { LlamaBlockParams, LlamaParams, LoraParams } from '../params.ts';
import type { Trace } from '../trace.ts';
import { type BlockContext, type KeyValues, llamaBlock } from './block.ts';

/** Keys and values of every layer. */
export type KeyValueCache = KeyValues[];

/**
 * Rows of the embedding matrix.
 * @param tokenIds int32[N], each inside the vocabulary
 * @returns f32[N, D]
 */
export function embedTokens(tokenIds: Tensor, params: LlamaParams): Tensor {
  return tf.gather(params.embedTokens, tokenIds);
}

/**
 * All blocks and the final norm, for training: no cache is kept.
 * @param request embeddings f32[B, T, D]; `recompute` keeps only each block's input for the backward pass
 * @returns f32[B, T, D]
 */
export function llamaHidden(request: {
  embeddings: Tensor;
  params: LlamaParams;
  context: BlockContext;
  recompute?: boolean | undefined;
  trace?: Trace | undefined;
}): Tensor {
  const { embeddings, params, context, trace } = request;
  return tf.tidy(() => {
    let x = embeddings;
    params.blocks.forEach((block, layer) => {
      trace?.(`hidden${layer}`, x);
      const forward = (input: Tensor): Tensor => {
        const { x: output, k, v } = llamaBlock({ x: input, layer, params: block, context });
        tf.dispose([k, v]);
        return output;
      };
      const next =
        request.recompute === true ? recompute(forward, [x], blockVariables(block, context.lora, layer)) : forward(x);
      if (x !== embeddings) x.dispose();
      x = next;
    });
    const hidden = rmsNorm(x, params.norm, context.config.rmsEps);
    trace?.(`hidden${params.blocks.length}`, hidden);
    return hidden;
  });
}

/**
 * All blocks and the final norm, for generation.
 * @param request embeddings f32[B, T, D] of the new tokens; `cache` of the tokens before them (absent: none)
 * @returns hidden f32[B, T, D] and the cache of all tokens so far; the given cache stays the caller's
 */
export function llamaCached(request: {
  embeddings: Tensor;
  params: LlamaParams;
  context: BlockContext;
  cache?: KeyValueCache | undefined;
}): { hidden: Tensor; cache: KeyValueCache } {
  const { embeddings, params, context, cache } = request;
  return tf.tidy(() => {
    let x = embeddings;
    const extended: KeyValues[] = params.blocks.map((block, layer) => {
      const { x: next, k, v } = llamaBlock({ x, layer, params: block, context, past: cache?.[layer] });
      x = next;
      return { k, v };
    });
    return { hidden: rmsNorm(x, params.norm, context.config.rmsEps), cache: extended };
  });
}

/** Frees the tensors of a cache. */
export function disposeCache(cache: KeyValueCache): void {
  for (const { k, v } of cache) tf.dispose([k, v]);
}

/** The trainable weights that a block reads, which recomputation must know. */
function blockVariables(block: LlamaBlockParams, lora: LoraParams | undefined, layer: number): Variable[] {
  const pairs = Object.values(lora?.layers[layer] ?? {}).flatMap(({ a, b }) => [a, b]);
  const all = [block.inputNorm, block.postNorm, ...Object.values(block.linears), ...pairs];
  return all.filter((tensor): tensor is Variable => tensor instanceof tf.Variable);
}

/**
 * `lm_head`, at all positions or only at some: the projection to the vocabulary is the largest product of a small model.
 * @param request hidden f32[B, T, D]; `rows` int32[N] counts positions as b * T + t
 * @returns f32[B, T, V], or f32[N, V] with `rows`
 */
export function llamaLogits(request: { hidden: Tensor; params: LlamaParams; rows?: Tensor | undefined }): Tensor {
  const { hidden, params, rows } = request;
  if (rows === undefined) return linear(hidden, params.lmHead);
  return tf.tidy(() => {
    const flat = tf.reshape(hidden, [-1, hidden.shape[2] ?? 0]);
    return linear(tf.gather(flat, rows), params.lmHead);
  });
}
