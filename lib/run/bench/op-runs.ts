/** The ops of `tristage bench ops` as our engine runs them, on random inputs of a case. */
import {
  attention,
  gelu,
  layerNorm,
  linear,
  loraLinear,
  maskedCrossEntropy,
  patchEmbed,
  rmsNorm,
  rope,
  swiGlu,
} from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/** An op with its inputs made. */
export interface PreparedOp {
  run: () => Tensor;
  /** Tensors that the backward pass differentiates by; empty: forward only. */
  leaves: Tensor[];
}

type Shape = Readonly<Record<string, number>>;

const rows = (s: Shape, width = s['width']!) => tf.randomNormal([s['rows']!, width]) as Tensor;
const random = (...shape: number[]) => tf.randomNormal(shape) as Tensor;

/** Name of an op -> makes its inputs, in the tidy scope that is open. */
export const OPS: Readonly<Record<string, (s: Shape) => PreparedOp>> = {
  matmul: (s) => {
    const [a, b] = [rows(s), random(s['out']!, s['width']!)];
    return { run: () => tf.matMul(a, b, false, true), leaves: [] };
  },
  linear: (s) => {
    const [x, w, b] = [rows(s), random(s['out']!, s['width']!), random(s['out']!)];
    return { run: () => linear(x, w, b), leaves: [x, w, b] };
  },
  'lora-linear': (s) => {
    const [x, weight] = [rows(s), random(s['out']!, s['width']!)];
    const [a, b] = [random(s['rank']!, s['width']!), random(s['out']!, s['rank']!)];
    return { run: () => loraLinear({ x, weight, a, b, scaling: 0.5 }), leaves: [x, a, b] };
  },
  'rms-norm': (s) => {
    const [x, w] = [rows(s), random(s['width']!)];
    return { run: () => rmsNorm(x, w, 1e-5), leaves: [x] };
  },
  'layer-norm': (s) => {
    const [x, weight, bias] = [rows(s), random(s['width']!), random(s['width']!)];
    return { run: () => layerNorm({ x, weight, bias, eps: 1e-5 }), leaves: [x, weight, bias] };
  },
  rope: (s) => {
    const x = random(s['batch']!, s['heads']!, s['tokens']!, s['width']!);
    const angles = random(1, s['tokens']!, s['width']! / 2);
    const [cos, sin] = [tf.cos(angles), tf.sin(angles)];
    return { run: () => rope(x, cos, sin), leaves: [x] };
  },
  attention: (s) => {
    const make = () => random(s['batch']!, s['heads']!, s['tokens']!, s['width']!);
    const [q, k, v] = [make(), make(), make()];
    return { run: () => attention({ q, k, v, scale: s['width']! ** -0.5, causal: true }), leaves: [q, k, v] };
  },
  swiglu: (s) => {
    const [gate, up] = [rows(s), rows(s)];
    return { run: () => swiGlu(gate, up), leaves: [gate, up] };
  },
  gelu: (s) => {
    const x = rows(s);
    return { run: () => gelu(x), leaves: [x] };
  },
  'masked-cross-entropy': (s) => {
    const [x, labels] = [rows(s), tf.range(0, s['rows']!, 1, 'int32')];
    return { run: () => maskedCrossEntropy(x, labels), leaves: [x] };
  },
  'patch-embed': (s) => {
    const pixels = random(s['batch']!, 3, s['side']!, s['side']!);
    const [weight, bias] = [random(s['width']!, 3, 14, 14), random(s['width']!)];
    return { run: () => patchEmbed({ pixels, weight, bias }), leaves: [weight, bias] };
  },
};
