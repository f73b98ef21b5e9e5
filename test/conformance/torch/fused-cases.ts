/** Fused ops at sizes beyond one block or one vector, on inputs that are views, with widths that fill no vector. */
import {
  attention,
  gelu,
  layerNorm,
  linear,
  maskedCrossEntropy,
  rmsNorm,
  rope,
  swiGlu,
} from '../../../lib/engine/ops/index.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { biasOf, type OpCase } from '../../gradient/cases.ts';
import { randomTensor } from '../../support/tensors.ts';

/** [B, T, H D] seen as [B, H, T, D], as the model makes its heads: a view with strides. */
function heads(x: Tensor, count: number): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, tokens, count, width / count]), [0, 2, 1, 3]);
}

interface Sizes {
  tokens: number;
  keys: number;
  heads: number;
  kvHeads: number;
  width: number;
}

function attentionCase(name: string, sizes: Sizes, options: { causal: boolean; bias?: () => Tensor }): OpCase {
  const { tokens, keys, width } = sizes;
  return {
    name: `attention, ${name}`,
    kernelName: 'Attention',
    inputs: () => [
      randomTensor([2, tokens, sizes.heads * width], 1),
      randomTensor([2, keys, sizes.kvHeads * width], 2),
      randomTensor([2, keys, sizes.kvHeads * width], 3),
    ],
    run: (q, k, v) => {
      const o = attention({
        q: heads(q!, sizes.heads),
        k: heads(k!, sizes.kvHeads),
        v: heads(v!, sizes.kvHeads),
        scale: 1 / Math.sqrt(width),
        causal: options.causal,
        bias: options.bias?.(),
      });
      return tf.reshape(tf.transpose(o, [0, 2, 1, 3]), [2, tokens, sizes.heads * width]);
    },
  };
}

const angles = () => randomTensor([2, 9, 10], 9);

export const LARGE_CASES: readonly OpCase[] = [
  attentionCase('many queries, full', { tokens: 150, keys: 150, heads: 2, kvHeads: 2, width: 16 }, { causal: false }),
  attentionCase('many queries, causal', { tokens: 150, keys: 150, heads: 2, kvHeads: 1, width: 12 }, { causal: true }),
  attentionCase(
    'causal behind a cache, with padding',
    { tokens: 70, keys: 131, heads: 4, kvHeads: 2, width: 8 },
    { causal: true, bias: () => biasOf(70, 131, (t, s) => s < 40 || (t > 60 && s > 128)) },
  ),
  attentionCase(
    'rows that see nothing, and blocks',
    { tokens: 40, keys: 40, heads: 4, kvHeads: 2, width: 16 },
    { causal: true, bias: () => biasOf(40, 40, (t, s) => s < 3 || (t > 20 && s > 9 && s < 15)) },
  ),
  attentionCase('one query', { tokens: 1, keys: 33, heads: 4, kvHeads: 2, width: 8 }, { causal: true }),
  {
    name: 'rms-norm of many wide rows',
    kernelName: 'RmsNorm',
    inputs: () => [randomTensor([70, 67], 1, 3), randomTensor([67], 2)],
    run: (x, weight) => rmsNorm(x!, weight!, 1e-5),
  },
  {
    name: 'rms-norm of a transposed view',
    kernelName: 'RmsNorm',
    inputs: () => [randomTensor([33, 70], 1, 3), randomTensor([33], 2)],
    run: (x, weight) => rmsNorm(tf.transpose(x!), weight!, 1e-5),
  },
  {
    name: 'layer-norm of many wide rows',
    kernelName: 'LayerNorm',
    inputs: () => [randomTensor([2, 35, 67], 1, 3), randomTensor([67], 2), randomTensor([67], 3)],
    run: (x, weight, bias) => layerNorm({ x: x!, weight: weight!, bias: bias!, eps: 1e-6 }),
  },
  {
    name: 'rope of a view, angles per batch element',
    kernelName: 'Rope',
    inputs: () => [randomTensor([2, 9, 60], 1)],
    run: (x) => rope(heads(x!, 3), tf.cos(angles()), tf.sin(angles())),
  },
  {
    name: 'swiglu beyond a block',
    kernelName: 'SwiGlu',
    inputs: () => [randomTensor([70, 131], 1, 4), randomTensor([70, 131], 2)],
    run: (gate, up) => swiGlu(gate!, up!),
  },
  {
    name: 'gelu beyond a block',
    kernelName: 'GeluErf',
    inputs: () => [randomTensor([70, 131], 1, 3)],
    run: (x) => gelu(x!),
  },
  {
    name: 'masked cross-entropy of many rows and large logits',
    kernelName: 'MaskedCrossEntropy',
    inputs: () => [randomTensor([70, 131], 1, 30)],
    run: (logits) => {
      const labels = Int32Array.from({ length: 70 }, (_, i) => (i % 5 === 0 ? -100 : (i * 37) % 131));
      return maskedCrossEntropy(logits!, tf.tensor1d(labels, 'int32'));
    },
  },
  {
    name: 'linear on a sliced and transposed input',
    kernelName: 'Linear',
    inputs: () => [randomTensor([9, 40], 1), randomTensor([13, 9], 2), randomTensor([13], 3)],
    run: (x, weight, bias) => linear(tf.transpose(tf.slice(x!, [0, 3], [9, 31])), weight!, bias),
  },
];
