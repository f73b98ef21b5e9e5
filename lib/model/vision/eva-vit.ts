/**
 * Vision transformer of pre-norm blocks with a learned absolute position embedding and exact GELU. EVA as BLIP-2 and MiniGPT-v2 use it
 * (eva_vit.py; reference.md 1.1) has biases on q and v but not on k; DINOv2 has one on all three and scales what each half of a block adds.
 */
import { attention, gelu, joinHeads, layerNorm, linear, patchEmbed, splitHeads } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { headWidth, type VisionConfig } from '../config.ts';
import type { VisionBlockParams, VisionParams } from '../params.ts';
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
      const next = visionBlock({ x, block, config });
      x.dispose();
      x = next;
      trace?.(`block${layer}`, x);
    });
    return x;
  });
}

/** `x += scale1 attention(norm1(x)); x += scale2 mlp(norm2(x))`, x f32[B, T, D]; without scales they are 1. */
function visionBlock({ x, block, config }: { x: Tensor; block: VisionBlockParams; config: VisionConfig }): Tensor {
  return tf.tidy(() => {
    const { scales } = block;
    const attended = selfAttention(layerNorm({ x, ...block.norm1, eps: config.eps }), { block, config });
    const seen = tf.add(x, scaled(attended, scales?.attention));
    const hidden = linear(layerNorm({ x: seen, ...block.norm2, eps: config.eps }), block.fc1.weight, block.fc1.bias);
    return tf.add(seen, scaled(linear(gelu(hidden), block.fc2.weight, block.fc2.bias), scales?.mlp));
  });
}

function scaled(x: Tensor, by: Tensor | undefined): Tensor {
  return by === undefined ? x : tf.mul(x, by);
}

/** Multi-head attention over all tokens; the scale 1/sqrt(head width) belongs to q. */
function selfAttention(x: Tensor, { block, config }: { block: VisionBlockParams; config: VisionConfig }): Tensor {
  const { qkvBias } = block;
  const bias = 'q' in qkvBias ? tf.concat([qkvBias.q, tf.zerosLike(qkvBias.q), qkvBias.v]) : qkvBias;
  const split = tf.split(linear(x, block.qkv, bias), 3, 2);
  const [q, k, v] = split.map((part) => splitHeads(part, config.heads)) as [Tensor, Tensor, Tensor];
  const seen = attention({ q, k, v, scale: headWidth(config) ** -0.5, causal: false });
  return linear(joinHeads(seen), block.attentionOut.weight, block.attentionOut.bias);
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
