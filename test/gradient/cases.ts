/** One small instance of every fused op with a gradient: what the gradient and conformance tests run. */
import {
  attention,
  gelu,
  joinHeads,
  layerNorm,
  linear,
  loraLinear,
  MASKED,
  maskedCrossEntropy,
  patchEmbed,
  rmsNorm,
  rope,
  scale,
  splitHeads,
  swiGlu,
} from '../../lib/engine/ops/index.ts';
import { type Tensor, tf } from '../../lib/engine/tf.ts';
import { randomTensor } from '../support/tensors.ts';

export interface OpCase {
  name: string;
  kernelName: string;
  /** Inputs that are differentiated. */
  inputs: () => Tensor[];
  run: (...inputs: Tensor[]) => Tensor;
}

/** Additive mask f32[1, 1, T, S] that hides the keys for which `hidden` says so. */
export function biasOf(queries: number, keys: number, hidden: (query: number, key: number) => boolean): Tensor {
  const values = new Float32Array(queries * keys);
  for (let t = 0; t < queries; t++) for (let s = 0; s < keys; s++) values[t * keys + s] = hidden(t, s) ? MASKED : 0;
  return tf.tensor(values, [1, 1, queries, keys]);
}

function attentionCase(
  name: string,
  kvHeads: number,
  options: { causal: boolean; bias?: () => Tensor; keys?: number },
): OpCase {
  const keys = options.keys ?? 5;
  return {
    name: `attention, ${name}`,
    kernelName: 'Attention',
    inputs: () => [
      randomTensor([2, 4, 5, 6], 1),
      randomTensor([2, kvHeads, keys, 6], 2),
      randomTensor([2, kvHeads, keys, 6], 3),
    ],
    run: (q, k, v) =>
      attention({
        q: q!,
        k: k!,
        v: v!,
        scale: 0.4,
        causal: options.causal,
        ...(options.bias ? { bias: options.bias() } : {}),
      }),
  };
}

const angles = () => randomTensor([1, 5, 3], 9);

export const OP_CASES: readonly OpCase[] = [
  {
    name: 'linear with bias',
    kernelName: 'Linear',
    inputs: () => [randomTensor([2, 3, 4], 1), randomTensor([5, 4], 2), randomTensor([5], 3)],
    run: (x, weight, bias) => linear(x!, weight!, bias),
  },
  {
    name: 'linear without bias on rows',
    kernelName: 'Linear',
    inputs: () => [randomTensor([6, 4], 1), randomTensor([5, 4], 2)],
    run: (x, weight) => linear(x!, weight!),
  },
  {
    name: 'lora-linear',
    kernelName: 'LoraLinear',
    inputs: () => [
      randomTensor([2, 3, 4], 1),
      randomTensor([5, 4], 2),
      randomTensor([2, 4], 3),
      randomTensor([5, 2], 4),
    ],
    run: (x, weight, a, b) => loraLinear({ x: x!, weight: weight!, a: a!, b: b!, scaling: 0.5 }),
  },
  {
    name: 'lora-linear with dropout mask',
    kernelName: 'LoraLinear',
    inputs: () => [
      randomTensor([2, 3, 4], 1),
      randomTensor([5, 4], 2),
      randomTensor([2, 4], 3),
      randomTensor([5, 2], 4),
    ],
    run: (x, weight, a, b) => {
      const mask = tf.greater(randomTensor([6, 4], 8), -0.3);
      return loraLinear({ x: x!, weight: weight!, a: a!, b: b!, scaling: 0.5, mask });
    },
  },
  {
    name: 'rms-norm',
    kernelName: 'RmsNorm',
    inputs: () => [randomTensor([2, 3, 8], 1), randomTensor([8], 2)],
    run: (x, weight) => rmsNorm(x!, weight!, 1e-5),
  },
  {
    name: 'layer-norm',
    kernelName: 'LayerNorm',
    inputs: () => [randomTensor([2, 3, 8], 1), randomTensor([8], 2), randomTensor([8], 3)],
    run: (x, weight, bias) => layerNorm({ x: x!, weight: weight!, bias: bias!, eps: 1e-6 }),
  },
  {
    name: 'rope',
    kernelName: 'Rope',
    inputs: () => [randomTensor([2, 3, 5, 6], 1)],
    run: (x) => rope(x!, tf.cos(angles()), tf.sin(angles())),
  },
  attentionCase('no mask', 4, { causal: false }),
  attentionCase('causal', 4, { causal: true }),
  attentionCase('causal with more keys than queries (cache)', 4, { causal: true, keys: 8 }),
  attentionCase('grouped-query heads', 2, { causal: true }),
  attentionCase('padding mask', 2, { causal: true, bias: () => biasOf(5, 5, (_, s) => s >= 4) }),
  attentionCase('left padding: rows that see nothing', 4, { causal: true, bias: () => biasOf(5, 5, (_, s) => s < 2) }),
  attentionCase('block mask over a shared prefix', 4, {
    causal: true,
    bias: () => biasOf(5, 5, (t, s) => t >= 4 && s >= 2 && s < 4),
  }),
  {
    name: 'swiglu',
    kernelName: 'SwiGlu',
    inputs: () => [randomTensor([3, 7], 1), randomTensor([3, 7], 2)],
    run: (gate, up) => swiGlu(gate!, up!),
  },
  {
    name: 'heads split',
    kernelName: 'SplitHeads',
    inputs: () => [randomTensor([2, 3, 8], 1)],
    run: (x) => splitHeads(x!, 4),
  },
  {
    name: 'heads joined',
    kernelName: 'JoinHeads',
    inputs: () => [randomTensor([2, 4, 3, 2], 1)],
    run: (x) => joinHeads(x!),
  },
  { name: 'scale', kernelName: 'Scale', inputs: () => [randomTensor([3, 5], 1)], run: (x) => scale(x!, -0.375) },
  { name: 'gelu', kernelName: 'GeluErf', inputs: () => [randomTensor([3, 9], 1, 2)], run: (x) => gelu(x!) },
  {
    name: 'masked cross-entropy',
    kernelName: 'MaskedCrossEntropy',
    inputs: () => [randomTensor([5, 7], 1, 2)],
    run: (logits) => maskedCrossEntropy(logits!, tf.tensor1d([3, -100, 0, 6, -1], 'int32')),
  },
  {
    name: 'patch-embed',
    kernelName: 'PatchEmbed',
    inputs: () => [randomTensor([5, 3, 2, 2], 2), randomTensor([5], 3)],
    run: (weight, bias) => patchEmbed({ pixels: randomTensor([2, 3, 6, 6], 1), weight: weight!, bias: bias! }),
  },
];
