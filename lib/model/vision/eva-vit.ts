/**
 * EVA vision transformer as BLIP-2 and MiniGPT-v2 use it (eva_vit.py; reference.md 1.1): pre-norm blocks, biases on q and v but
 * not on k, a learned absolute position embedding, exact GELU, no norm after the last block.
 */
import { attention, gelu, layerNorm, linear, patchEmbed } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { headWidth, type VisionConfig } from '../config.ts';
import type { EvaBlockParams, VisionParams } from '../params.ts';
import type { Trace } from '../trace.ts';

/**
 * @param request pixels f32[B, 3, S, S], normalised
 * @returns f32[B, 1 + P, D], the cls token first, without a final norm
 */
export function evaVit(request: {
  pixels: Tensor;
  params: VisionParams;
  config: VisionConfig;
  trace?: Trace | undefined;
}): Tensor {
  const { pixels, params, config, trace } = request;
  return tf.tidy(() => {
    const patches = patchEmbed({ pixels, ...params.patchEmbed });
    trace?.('patch_embed', patches);
    const cls = tf.tile(params.cls, [pixels.shape[0] ?? 1, 1, 1]);
    let x: Tensor = tf.add(tf.concat([cls, patches], 1), params.posEmbed);
    params.blocks.forEach((block, layer) => {
      const next = evaBlock({ x, block, config });
      x.dispose();
      x = next;
      trace?.(`block${layer}`, x);
    });
    return x;
  });
}

/** `x += attention(norm1(x)); x += mlp(norm2(x))`, x f32[B, T, D]. */
function evaBlock({ x, block, config }: { x: Tensor; block: EvaBlockParams; config: VisionConfig }): Tensor {
  return tf.tidy(() => {
    const seen = tf.add(x, selfAttention(layerNorm({ x, ...block.norm1, eps: config.eps }), { block, config }));
    const hidden = linear(layerNorm({ x: seen, ...block.norm2, eps: config.eps }), block.fc1.weight, block.fc1.bias);
    return tf.add(seen, linear(gelu(hidden), block.fc2.weight, block.fc2.bias));
  });
}

/** Multi-head attention over all tokens; the scale 1/sqrt(head width) belongs to q. */
function selfAttention(x: Tensor, { block, config }: { block: EvaBlockParams; config: VisionConfig }): Tensor {
  const [B, T, D] = x.shape as [number, number, number];
  const bias = tf.concat([block.qBias, tf.zerosLike(block.qBias), block.vBias]);
  const split = tf.split(linear(x, block.qkv, bias), 3, 2);
  const [q, k, v] = split.map((part) =>
    tf.transpose(tf.reshape(part, [B, T, config.heads, headWidth(config)]), [0, 2, 1, 3]),
  ) as [Tensor, Tensor, Tensor];
  const seen = attention({ q, k, v, scale: headWidth(config) ** -0.5, causal: false });
  const joined = tf.reshape(tf.transpose(seen, [0, 2, 1, 3]), [B, T, D]);
  return linear(joined, block.attentionOut.weight, block.attentionOut.bias);
}

/**
 * `ln_vision`, then the cls token dropped (base_model.py, minigpt_v2.py).
 * @param x f32[B, 1 + P, D]
 * @returns f32[B, P, D]
 */
export function visualTokens(request: {
  x: Tensor;
  params: VisionParams;
  config: VisionConfig;
  trace?: Trace | undefined;
}): Tensor {
  const { x, params, config, trace } = request;
  return tf.tidy(() => {
    const normed = layerNorm({ x, ...params.lnVision, eps: config.lnEps });
    trace?.('ln_vision', normed);
    const [B, T, D] = normed.shape as [number, number, number];
    return tf.slice(normed, [0, 1, 0], [B, T - 1, D]);
  });
}
