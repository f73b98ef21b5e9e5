/**
 * Attention on bfloat16 by torch's own operators, on any device: products in bfloat16, scores, softmax and logsumexp in float32
 * (mathematics: ops/attention.ts, whose composite and whose loops compute in float32 alone).
 */

import { MASKED, NOTHING_VISIBLE } from '../../ops/attention.ts';
import type { TensorInfo } from '../../tf.ts';
import { type Handle, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelCall, type KernelTable, toShape, toType } from '../kernels/kernel.ts';

const addInPlace = operator<void>('aten::add_.Tensor');
const clampMaxInPlace = operator<void>('aten::clamp_max_');
const expInPlace = operator<void>('aten::exp_');
const full = operator('aten::full');
const greater = operator('aten::gt.Scalar');
const logSumExp = operator('aten::logsumexp');
const matmul = operator('aten::matmul');
const multiply = operator('aten::mul.Tensor');
const multiplyInPlace = operator<void>('aten::mul_.Tensor');
const scaleInPlace = operator<void>('aten::mul_.Scalar');
const subtractInPlace = operator<void>('aten::sub_.Tensor');
const sum = operator('aten::sum.dim_IntList');
const swap = operator('aten::transpose.int');
const upperTriangle = operator('aten::triu');

type Keep = (tensor: Handle) => Handle;

/** Sizes of a call, and its tensors with the query heads grouped by the key-value head that they share. */
interface Grouped {
  /** [B, K, G T] and [B, K, G, T] of the query side. */
  rows: number[];
  split: number[];
  queries: number;
  keys: number;
  width: number;
  q: Handle;
  k: Handle;
  v: Handle;
}

function grouped({ backend, inputs }: KernelCall, keep: Keep): Grouped {
  const [batch, heads, queries, width] = inputs['q']!.shape as [number, number, number, number];
  const [, kvHeads, keys] = inputs['k']!.shape as [number, number, number];
  const groups = heads / kvHeads;
  const rows = [batch, kvHeads, groups * queries];
  const q = keep(toShape(backend.handle(inputs['q']!), [...rows, width]));
  const [k, v] = [backend.handle(inputs['k']!), backend.handle(inputs['v']!)];
  return { rows, split: [batch, kvHeads, groups, queries], queries, keys, width, q, k, v };
}

/** Scaled and masked scores f32[B, K, G, T, S] that nobody else sees. */
function scoresOf({ backend, inputs, attrs }: KernelCall, of: Grouped, keep: Keep): Handle {
  const { split, queries, keys } = of;
  const product = keep(matmul(of.q, keep(swap(of.k, -2, -1))));
  // A type of its own and so a copy, which may be changed in place.
  const scores = toShape(keep(toType(product, 'float32')), [...split, keys]);
  scaleInPlace(keep(scores), attrs['scale'] as number);
  const bias = inputs['bias'];
  if (bias !== undefined)
    addInPlace(scores, keep(toShape(backend.handle(bias), [bias.shape[0]!, 1, 1, queries, keys])), 1);
  if (attrs['causal'] === true) {
    const hidden = keep(full([queries, keys], MASKED, 'float32', null, backend.device));
    addInPlace(scores, keep(upperTriangle(hidden, keys - queries + 1)), 1);
  }
  return scores;
}

/** 1 for a row that sees a key, else 0: f32[B, K, G, T, 1]. */
function visibleRows(lse: Handle, keep: Keep): Handle {
  return keep(toType(keep(greater(lse, NOTHING_VISIBLE)), 'float32'));
}

/** exp(scores - lse) in place of the scores, 0 where a row sees nothing. */
function toProbabilities(scores: Handle, lse: Handle, keep: Keep): void {
  subtractInPlace(scores, lse, 1);
  clampMaxInPlace(scores, 0);
  expInPlace(scores);
  multiplyInPlace(scores, visibleRows(lse, keep));
}

const attention: Kernel = (call) => {
  const { backend, inputs } = call;
  const { shape } = inputs['q']!;
  const [o, lse] = withTemporaries((keep) => {
    const of = grouped(call, keep);
    const scores = scoresOf(call, of, keep);
    const total = keep(logSumExp(scores, [-1], true));
    toProbabilities(scores, total, keep);
    const p = keep(toType(keep(toShape(scores, [...of.rows, of.keys])), 'bfloat16'));
    return [toShape(keep(matmul(p, of.v)), shape), toShape(total, shape.slice(0, 3))] as const;
  });
  return [backend.output(o, shape, 'float32'), backend.output(lse, shape.slice(0, 3), 'float32')];
};

const attentionGrad: Kernel = (call) => {
  const { backend, inputs, attrs } = call;
  const infos = ['q', 'k', 'v'].map((name) => inputs[name] as TensorInfo);
  const grads = withTemporaries((keep) => {
    const of = grouped(call, keep);
    const { rows, keys, width } = of;
    const asRows = (name: string) => keep(toShape(backend.handle(inputs[name]!), [...rows, width]));
    const [dy, o] = [asRows('dy'), asRows('o')];
    const scores = scoresOf(call, of, keep);
    toProbabilities(scores, keep(toShape(backend.handle(inputs['lse']!), [...of.split, 1])), keep);
    const p = keep(toShape(scores, [...rows, keys]));
    const dv = matmul(keep(swap(keep(toType(p, 'bfloat16')), -2, -1)), dy);
    const wide = (tensor: Handle) => keep(toType(tensor, 'float32'));
    const dot = keep(sum(keep(multiply(wide(dy), wide(o))), [-1], true, 'float32'));
    const ds = wide(keep(matmul(dy, keep(swap(of.v, -2, -1)))));
    subtractInPlace(ds, dot, 1);
    multiplyInPlace(ds, p);
    scaleInPlace(ds, attrs['scale'] as number);
    const narrow = keep(toType(ds, 'bfloat16'));
    const dq = toShape(keep(matmul(narrow, of.k)), infos[0]!.shape);
    return [dq, matmul(keep(swap(narrow, -2, -1)), of.q), dv];
  });
  return grads.map((grad, i) => backend.output(grad, infos[i]!.shape, 'float32'));
};

/** Kernels for inputs in bfloat16; the bias and the logsumexp are float32. */
export const narrowAttention: KernelTable = { Attention: attention, AttentionGrad: attentionGrad };
