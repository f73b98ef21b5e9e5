/**
 * Attention by one operator that never holds the matrix of scores (torch's memory-efficient attention, arXiv 2112.05682), for bfloat16
 * on CUDA. Mathematics: ops/attention.ts. What the operator asks of its inputs, and where it differs from ours, is met here: heads stand
 * behind tokens, each query head has keys of its own, rows of the bias begin at multiples of 16 numbers, the saved logsumexp is padded,
 * and a row that sees nothing is an average of everything.
 */

import { NOTHING_VISIBLE } from '../../ops/attention.ts';
import type { TensorInfo } from '../../tf.ts';
import { type Handle, makingResults, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelCall, type KernelTable, toShape, toType } from '../kernels/kernel.ts';

/** Which keys a query sees beside the bias: all, or those up to its own place counted from the last. */
export type Mask = 'none' | 'causal';

interface Inputs {
  /** bf16[B, T, H, D], [B, S, H, D] twice; the last dimension is contiguous. */
  q: Handle;
  k: Handle;
  v: Handle;
  /** bf16[B, H, T, S], rows `rowAlignment` apart; added to the scaled scores. */
  bias: Handle | null;
  mask: Mask;
  scale: number;
}

/** The operator in both directions; whoever calls owns what it returns. */
export interface WholeAttention {
  /** @returns o bf16[B, T, H, D] and the logsumexp f32[B, H, T'], T' being T or more */
  forward(inputs: Inputs): [o: Handle, lse: Handle];
  /**
   * Gives the same numbers each time.
   * @param saved dy and o bf16[B, T, H, D]; lse f32[B, H, T'], T' a multiple of {@link LSE_ALIGNMENT}, infinite beyond T and where a row
   *   sees nothing
   * @returns gradients of q, k and v in their shapes
   */
  backward(inputs: Inputs, saved: { dy: Handle; o: Handle; lse: Handle }): [dq: Handle, dk: Handle, dv: Handle];
}

/** Numbers from which to which rows of the bias lie apart are a multiple of this. */
const ROW_ALIGNMENT = 16;
/** So is the width of the saved logsumexp, of this. */
const LSE_ALIGNMENT = 32;
/** Heads of other widths are not what the operator loads at once. */
const WIDTH_ALIGNMENT = 8;

const addAlong = operator('aten::sum.dim_IntList');
const atMost = operator('aten::le.Scalar');
const contiguous = operator('aten::contiguous');
const expand = operator('aten::expand');
const fillWhere = operator('aten::masked_fill.Scalar');
const greater = operator('aten::gt.Scalar');
const multiplyInPlace = operator<void>('aten::mul_.Tensor');
const pad = operator('aten::constant_pad_nd');
const strideOf = operator<number>('aten::stride.int');
const slice = operator('aten::slice.Tensor');
const swap = operator('aten::transpose.int');
const unsqueeze = operator('aten::unsqueeze');

type Keep = (tensor: Handle) => Handle;

interface Sizes {
  batch: number;
  heads: number;
  kvHeads: number;
  queries: number;
  keys: number;
  width: number;
}

function sizesOf({ inputs }: KernelCall): Sizes {
  const [batch, heads, queries, width] = inputs['q']!.shape as [number, number, number, number];
  const [, kvHeads, keys] = inputs['k']!.shape as [number, number, number];
  return { batch, heads, kvHeads, queries, keys, width };
}

const upTo = (length: number, alignment: number): number => Math.ceil(length / alignment) * alignment;

/** Whether the operator takes such a call; a query before the first key would see nothing by causality, which it does not expect. */
function takesWhole(call: KernelCall): boolean {
  const { width, queries, keys, heads, kvHeads } = sizesOf(call);
  // One query is no matrix of scores, and copies of shared heads would cost more than it.
  const worthIt = queries > 1 || (queries === 1 && heads === kvHeads);
  return worthIt && width % WIDTH_ALIGNMENT === 0 && (call.attrs['causal'] !== true || queries <= keys);
}

/** [B, H, T, D] as [B, T, H, D]: the same memory where the last dimension has no gaps, as heads of a linear layer have it. */
function tokensFirst(x: Handle, keep: Keep): Handle {
  const swapped = keep(swap(x, 1, 2));
  return strideOf(swapped, -1) === 1 ? swapped : keep(contiguous(swapped, 'contiguous_format'));
}

/** Keys or values [B, K, S, D] as [B, S, H, D]: each head repeated for the queries that share it. */
function perQueryHead(x: Handle, { batch, heads, kvHeads, keys, width }: Sizes, keep: Keep): Handle {
  if (heads === kvHeads) return tokensFirst(x, keep);
  const grouped = keep(unsqueeze(keep(swap(x, 1, 2)), 3));
  const repeated = keep(expand(grouped, [batch, keys, kvHeads, heads / kvHeads, width], false));
  return keep(toShape(repeated, [batch, keys, heads, width]));
}

/** f32[B | 1, 1, T, S] as bf16[B, H, T, S] without copies for batch and heads. */
function biasOf({ backend, inputs }: KernelCall, { batch, heads, queries, keys }: Sizes, keep: Keep): Handle | null {
  if (inputs['bias'] === undefined) return null;
  const given = backend.handle(inputs['bias']);
  const gap = upTo(keys, ROW_ALIGNMENT) - keys;
  const padded = gap === 0 ? given : keep(pad(given, [0, gap], 0));
  const rounded = keep(contiguous(keep(toType(padded, 'bfloat16')), 'contiguous_format'));
  return keep(expand(keep(slice(rounded, -1, 0, keys, 1)), [batch, heads, queries, keys], false));
}

function inputsOf(call: KernelCall, sizes: Sizes, keep: Keep): Inputs {
  const { backend, inputs, attrs } = call;
  const [q, k, v] = ['q', 'k', 'v'].map((name) => backend.handle(inputs[name]!)) as [Handle, Handle, Handle];
  return {
    q: tokensFirst(q, keep),
    k: perQueryHead(k, sizes, keep),
    v: perQueryHead(v, sizes, keep),
    bias: biasOf(call, sizes, keep),
    mask: attrs['causal'] === true ? 'causal' : 'none',
    scale: attrs['scale'] as number,
  };
}

/** bf16[B, T, H, 1]: 1 where a row sees a key, else 0. @param lse f32[B, H, T] */
function seeing(lse: Handle, keep: Keep): Handle {
  const visible = keep(toType(keep(greater(lse, NOTHING_VISIBLE)), 'bfloat16'));
  return keep(unsqueeze(keep(swap(visible, 1, 2)), 3));
}

/** [B, T, H, D] as [B, H, T, D], the same memory. */
const headsFirst = (x: Handle): Handle => swap(x, 1, 2);

function forwardBy(whole: WholeAttention): Kernel {
  return (call) => {
    const { backend, inputs } = call;
    const { shape } = inputs['q']!;
    const [o, lse] = withTemporaries((keep) => {
      const sizes = sizesOf(call);
      const given = inputsOf(call, sizes, keep);
      const [rows, total] = whole.forward(given).map(keep) as [Handle, Handle];
      // Only a bias hides all keys of a row.
      if (given.bias !== null) multiplyInPlace(rows, seeing(keep(slice(total, -1, 0, sizes.queries, 1)), keep));
      return [headsFirst(rows), slice(total, -1, 0, sizes.queries, 1)] as const;
    });
    return [backend.output(o, shape, 'float32'), backend.output(lse, shape.slice(0, 3), 'float32')];
  };
}

/** The gradient of each head's keys [B, S, H, D], summed over the query heads that share them, as [B, K, S, D]. */
function perKeyHead(x: Handle, { batch, heads, kvHeads, keys, width }: Sizes, keep: Keep): Handle {
  if (heads === kvHeads) return headsFirst(x);
  const grouped = keep(toShape(x, [batch, keys, kvHeads, heads / kvHeads, width]));
  return headsFirst(keep(addAlong(grouped, [3], false, null)));
}

/**
 * The logsumexp as the operator reads it: as wide as it wants, and infinite where nothing counts. So it is for a row that sees nothing, whose
 * own is too large for its difference to scores as large to mean anything; with it every probability of the row is 0.
 */
function savedLse(lse: Handle, { queries, biased }: { queries: number; biased: boolean }, keep: Keep): Handle {
  const gap = upTo(queries, LSE_ALIGNMENT) - queries;
  const nothing = Number.POSITIVE_INFINITY;
  const own = biased ? keep(fillWhere(lse, keep(atMost(lse, NOTHING_VISIBLE)), nothing)) : lse;
  return keep(gap === 0 ? contiguous(own, 'contiguous_format') : pad(own, [0, gap], nothing));
}

function backwardBy(whole: WholeAttention): Kernel {
  return (call) => {
    const { backend, inputs } = call;
    const infos = ['q', 'k', 'v'].map((name) => inputs[name] as TensorInfo);
    const grads = withTemporaries((keep) =>
      makingResults((own) => {
        const sizes = sizesOf(call);
        const given = inputsOf(call, sizes, keep);
        const lse = savedLse(
          backend.handle(inputs['lse']!),
          { queries: sizes.queries, biased: given.bias !== null },
          keep,
        );
        const dy = tokensFirst(backend.handle(inputs['dy']!), keep);
        const o = keep(contiguous(keep(swap(backend.handle(inputs['o']!), 1, 2)), 'contiguous_format'));
        const [dq, dk, dv] = whole.backward(given, { dy, o, lse }).map(keep) as [Handle, Handle, Handle];
        return [own(perKeyHead(dk, sizes, keep)), own(perKeyHead(dv, sizes, keep)), headsFirst(dq)];
      }),
    );
    const [dk, dv, dq] = grads as [Handle, Handle, Handle];
    return [dq, dk, dv].map((grad, i) => backend.output(grad, infos[i]!.shape, 'float32'));
  };
}

/**
 * Kernels for inputs in bfloat16; the bias and the logsumexp are float32.
 * @param otherwise kernels for calls that the operator does not take
 */
export function wholeAttentionKernels(whole: WholeAttention, otherwise: KernelTable): KernelTable {
  const choosing = (name: string, own: Kernel): Kernel => {
    const plain = otherwise[name]!;
    return (call) => (takesWhole(call) ? own(call) : plain(call));
  };
  return {
    Attention: choosing('Attention', forwardBy(whole)),
    AttentionGrad: choosing('AttentionGrad', backwardBy(whole)),
  };
}
