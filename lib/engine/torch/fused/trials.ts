/** Small problems that an operator must solve as its composite does before it is used. */

import { adamwInput } from '../../ops/adamw-update.ts';
import { MASKED, NOTHING_VISIBLE } from '../../ops/attention.ts';
import { runFused } from '../../ops/fused-op.ts';
import { type Tensor, type TensorInfo, tf } from '../../tf.ts';
import type { TorchBackend } from '../backend.ts';
import type { KernelTable } from '../kernels/kernel.ts';

/** One call of a kernel. */
interface Problem {
  kernelName: string;
  inputs: Readonly<Record<string, Tensor>>;
  attrs: Readonly<Record<string, unknown>>;
}

/** Numbers between -1 and 1 that look random. */
function wave(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(12.9898 * i + 78.233 * seed)),
    [...shape],
  );
}

/** What the kernels of any device make of a problem; the engine must compute in float32. */
const solved = ({ kernelName, inputs, attrs }: Problem): Tensor[] => runFused(kernelName, inputs, attrs);

/** How far results may be away, in shares of the largest number: in float32, and where inputs are rounded to bfloat16. */
const LIMIT = { float32: 1e-4, bf16: 0.03 } as const;

/** Largest difference, in shares of the largest number; NaN where one number is. */
function difference(found: Tensor | undefined, expected: Tensor): number {
  if (found === undefined || found.size !== expected.size) return Number.NaN;
  const [a, b] = [found.dataSync(), expected.dataSync()];
  let [apart, largest] = [0, 1e-9];
  for (let i = 0; i < b.length; i++) {
    // The logsumexp of a row that sees nothing has no other meaning.
    if (b[i]! <= NOTHING_VISIBLE && a[i]! <= NOTHING_VISIBLE) continue;
    const distance = Math.abs(a[i]! - b[i]!);
    if (Number.isNaN(distance)) return Number.NaN;
    apart = Math.max(apart, distance);
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return apart / largest;
}

/**
 * How far a kernel's results are from those of any device, in shares of what is allowed; NaN where a result is missing or is none.
 * @param exact inputs that are not rounded to bfloat16; absent: none is
 */
function distance(kernels: KernelTable, problem: Problem, backend: TorchBackend, exact?: readonly string[]): number {
  return tf.tidy(() => {
    const given: Record<string, TensorInfo> = {};
    // What somebody else sees is not changed in place.
    for (const tensor of Object.values(problem.inputs)) tf.clone(tensor);
    for (const [name, tensor] of Object.entries(problem.inputs)) {
      const narrow = exact !== undefined && !exact.includes(name);
      given[name] = narrow ? tf.engine().makeTensorFromTensorInfo(backend.rounded(tensor)) : tensor;
    }
    const expected = solved(problem);
    const results = [kernels[problem.kernelName]!({ backend, inputs: given, attrs: problem.attrs })].flat();
    const found = results.map((info) => tf.engine().makeTensorFromTensorInfo(info));
    const limit = exact === undefined ? LIMIT.float32 : LIMIT.bf16;
    return Math.max(...expected.map((tensor, i) => difference(found[i], tensor))) / limit;
  });
}

/** Rows 0 and 1 see nothing, and later ones not all that causality shows them. */
function someHidden(queries: number, keys: number): Tensor {
  const hidden = (t: number, s: number) => s < 2 || (t > 9 && s > 4 && s < 8);
  const values = Float32Array.from({ length: queries * keys }, (_, i) => {
    return hidden(Math.floor(i / keys), i % keys) ? MASKED : 0;
  });
  return tf.tensor(values, [1, 1, queries, keys]);
}

/** Sizes of one attention: heads that share keys or not, lengths that fill no block, widths of the two models. */
const ATTENTIONS = [
  { heads: 4, kvHeads: 2, queries: 40, keys: 40, width: 128, causal: true, biased: true },
  { heads: 2, kvHeads: 2, queries: 64, keys: 64, width: 128, causal: true, biased: false },
  { heads: 2, kvHeads: 2, queries: 33, keys: 33, width: 88, causal: false, biased: false },
  { heads: 2, kvHeads: 1, queries: 5, keys: 47, width: 16, causal: true, biased: true },
];

/** Attention and its gradient in bfloat16. @returns the largest distance, in shares of what is allowed */
export function attentionTrial(kernels: KernelTable, backend: TorchBackend): number {
  const exact = ['bias', 'lse'];
  const distances = ATTENTIONS.map(({ heads, kvHeads, queries, keys, width, causal, biased }) =>
    tf.tidy(() => {
      const q = wave([2, heads, queries, width], 1);
      const [k, v] = [wave([2, kvHeads, keys, width], 2), wave([2, kvHeads, keys, width], 3)];
      const inputs = { q, k, v, ...(biased ? { bias: someHidden(queries, keys) } : {}) };
      const attrs = { scale: width ** -0.5, causal };
      const forward = { kernelName: 'Attention', inputs, attrs };
      const [o, lse] = solved(forward);
      const saved = { ...inputs, dy: wave(q.shape, 4), o: o!, lse: lse! };
      const backward = { kernelName: 'AttentionGrad', inputs: saved, attrs };
      return Math.max(...[forward, backward].map((problem) => distance(kernels, problem, backend, exact)));
    }),
  );
  return Math.max(...distances);
}

/**
 * Updates of three weights that decay and step differently, and the norms of their gradients.
 * @returns the largest distance, in shares of what is allowed
 */
export function adamwTrial(kernels: KernelTable, backend: TorchBackend): number {
  return tf.tidy(() => {
    const shared = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-6, gradScale: 0.5 };
    const updates = [1, 2, 3].map((step) => ({ ...shared, step, weightDecay: step === 2 ? 0 : 0.1 }));
    const gradOf = (i: number): Tensor => wave([7, i + 1], i + 3);
    const norms = Object.fromEntries(updates.map((_, i) => [`x${i}`, gradOf(i)]));
    const state = updates.flatMap((_, i): [string, Tensor][] => [
      [adamwInput('param', i), wave([7, i + 1], i)],
      [adamwInput('grad', i), gradOf(i)],
      [adamwInput('m', i), wave([7, i + 1], i + 6)],
      [adamwInput('v', i), tf.square(wave([7, i + 1], i + 9))],
    ]);
    const problems = [
      { kernelName: 'SquaredNorms', inputs: norms, attrs: {} },
      { kernelName: 'AdamWUpdate', inputs: Object.fromEntries(state), attrs: { updates } },
    ];
    return Math.max(...problems.map((problem) => distance(kernels, problem, backend)));
  });
}

/** RMS norm and its gradient, in float32 and in bfloat16. @returns the largest distance, in shares of what is allowed */
export function rmsNormTrial(kernels: KernelTable, backend: TorchBackend): number {
  return tf.tidy(() => {
    const [x, weight] = [wave([3, 5, 96], 1), wave([96], 2)];
    const forward = { kernelName: 'RmsNorm', inputs: { x, weight }, attrs: { eps: 1e-5 } };
    const [, rstd] = solved(forward);
    const saved = { dy: wave(x.shape, 3), x, weight, rstd: rstd! };
    const problems = [forward, { kernelName: 'RmsNormGradX', inputs: saved, attrs: {} }];
    const of = (exact?: readonly string[]) => problems.map((problem) => distance(kernels, problem, backend, exact));
    return Math.max(...of(), ...of(['rstd']));
  });
}
