/**
 * What stands in for CUDA's operators on a processor: the same results by plain ones, for inputs as those demand them. What they demand
 * and give is torch's (aten/src/ATen/native/transformers/cuda/attention.cu, attention_backward.cu; layer_norm_kernel.cu).
 */
import assert from 'node:assert/strict';
import { type Handle, native, operator } from '../../../lib/engine/torch/binding.ts';
import { narrowAttention } from '../../../lib/engine/torch/fused/attention.ts';
import type { CudaKernels } from '../../../lib/engine/torch/fused/cuda.ts';
import { type WholeRmsNorm, wholeRmsNormKernels } from '../../../lib/engine/torch/fused/rms-norm.ts';
import { type WholeAttention, wholeAttentionKernels } from '../../../lib/engine/torch/fused/whole-attention.ts';

const add = operator('aten::add.Tensor');
const addScalar = operator('aten::add.Scalar');
const contiguous = operator('aten::contiguous');
const exp = operator('aten::exp');
const full = operator('aten::full');
const logSumExp = operator('aten::logsumexp');
const matmul = operator('aten::matmul');
const mean = operator('aten::mean.dim');
const multiply = operator('aten::mul.Tensor');
const pad = operator('aten::constant_pad_nd');
const rsqrt = operator('aten::rsqrt');
const scaled = operator('aten::mul.Scalar');
const slice = operator('aten::slice.Tensor');
const stride = operator<number>('aten::stride.int');
const subtract = operator('aten::sub.Tensor');
const sum = operator('aten::sum.dim_IntList');
const to = operator('aten::to.dtype');
const transpose = operator('aten::transpose.int');
const triangle = operator('aten::triu');
const unsqueeze = operator('aten::unsqueeze');

/** Whether tokens lie behind one another; the stride of a single one says nothing. */
function isContiguous(x: Handle): boolean {
  const [, tokens, count, width] = native().shape(x) as [number, number, number, number];
  return tokens === 1 || stride(x, 1) === count * width;
}

type Given = Parameters<WholeAttention['forward']>[0];

/** A scope that frees every handle made in it but the ones that are returned. */
function scope<T extends Handle | Handle[]>(f: (keep: (x: Handle) => Handle) => T): T {
  const kept = new Set<Handle>();
  const result = f((x) => {
    kept.add(x);
    return x;
  });
  for (const handle of [result].flat()) kept.delete(handle);
  for (const handle of kept) native().release(handle);
  return result;
}

const wide = (x: Handle, keep: (x: Handle) => Handle): Handle => keep(to(x, 'float32', false, true, null));
const narrow = (x: Handle): Handle => to(x, 'bfloat16', false, true, null);
/** [B, T, H, D] in bfloat16 as [B, H, T, D] in float32. */
const heads = (x: Handle, keep: (x: Handle) => Handle): Handle => keep(transpose(wide(x, keep), 1, 2));

function demand({ q, k, v, bias }: Given): void {
  const [batch, queries, count, width] = native().shape(q);
  const keys = native().shape(k)[1];
  for (const x of [q, k, v]) {
    assert.equal(native().dtype(x), 'BFloat16');
    assert.equal(stride(x, -1), 1, 'the last dimension is contiguous');
    for (const axis of [0, 1, 2]) assert.equal(stride(x, axis) % 8, 0, 'rows are aligned');
  }
  assert.deepEqual(native().shape(k), [batch, keys, count, width]);
  assert.deepEqual(native().shape(v), [batch, keys, count, width]);
  if (bias === null) return;
  assert.equal(native().dtype(bias), 'BFloat16');
  assert.deepEqual(native().shape(bias), [batch, count, queries, keys]);
  assert.equal(stride(bias, -1), 1);
  for (const axis of [0, 1, 2]) assert.equal(stride(bias, axis) % 16, 0, 'rows of the bias are aligned');
}

/** f32[B, H, T, S], hidden ones -inf by causality. */
function scores({ q, k, bias, mask, scale }: Given, keep: (x: Handle) => Handle): Handle {
  const [queries, keys] = [native().shape(q)[1]!, native().shape(k)[1]!];
  const product = keep(matmul(heads(q, keep), keep(transpose(heads(k, keep), -2, -1))));
  const biased =
    bias === null ? keep(scaled(product, scale)) : keep(add(keep(scaled(product, scale)), wide(bias, keep), 1));
  if (mask === 'none') return biased;
  const hidden = keep(
    triangle(keep(full([queries, keys], Number.NEGATIVE_INFINITY, 'float32', null, 'cpu')), keys - queries + 1),
  );
  return keep(add(biased, hidden, 1));
}

const tokensFirst = (x: Handle, keep: (x: Handle) => Handle): Handle =>
  keep(contiguous(keep(transpose(keep(narrow(x)), 1, 2)), 'contiguous_format'));

export const emulatedAttention: WholeAttention = {
  forward: (given) => {
    demand(given);
    return scope((keep) => {
      const all = scores(given, keep);
      const exact = keep(logSumExp(all, [-1], false));
      // The operator finds it in powers of two and turns it back, which moves a row that sees nothing far beyond the size of a score.
      const lse = keep(scaled(keep(scaled(exact, Math.LOG2E)), 1.000001 / Math.LOG2E));
      const p = keep(exp(keep(subtract(all, keep(unsqueeze(exact, -1)), 1))));
      const largest = keep(sum(p, [-1], true, 'float32'));
      // Where all scores are equal and huge their exponents are 1 each: the operator divides by their sum.
      const shares = keep(multiply(p, keep(exp(keep(scaled(keep(operator('aten::log')(largest)), -1))))));
      const o = tokensFirst(keep(matmul(shares, heads(given.v, keep))), keep);
      const gap = -native().shape(lse)[2]! & 31;
      return [o, keep(pad(lse, [0, gap], Number.POSITIVE_INFINITY))] as [Handle, Handle];
    });
  },
  backward: (given, { dy, o, lse }) => {
    demand(given);
    const queries = native().shape(given.q)[1]!;
    assert.ok(isContiguous(o), 'rows of o lie behind one another');
    assert.equal(native().shape(lse)[2]! % 32, 0, 'the logsumexp is padded');
    return scope((keep) => {
      const beyond = native().read(keep(contiguous(keep(slice(lse, -1, queries, null, 1)), 'contiguous_format')));
      assert.ok(
        beyond.every((value) => value === Number.POSITIVE_INFINITY),
        'padding counts nothing',
      );
      const own = keep(unsqueeze(keep(slice(lse, -1, 0, queries, 1)), -1));
      const p = keep(exp(keep(subtract(scores(given, keep), own, 1))));
      const [gradient, values] = [heads(dy, keep), heads(given.v, keep)];
      const delta = keep(sum(keep(multiply(gradient, heads(o, keep))), [-1], true, 'float32'));
      const dp = keep(subtract(keep(matmul(gradient, keep(transpose(values, -2, -1)))), delta, 1));
      const ds = keep(scaled(keep(multiply(dp, p)), given.scale));
      const [dq, dk, dv] = [
        matmul(ds, heads(given.k, keep)),
        matmul(keep(transpose(ds, -2, -1)), heads(given.q, keep)),
        matmul(keep(transpose(p, -2, -1)), gradient),
      ].map((x) => tokensFirst(keep(x), keep));
      return [dq!, dk!, dv!] as [Handle, Handle, Handle];
    });
  },
};

const sameType = (...tensors: Handle[]): void => {
  assert.equal(new Set(tensors.map((x) => native().dtype(x))).size, 1, 'the operator takes one type');
};

export const emulatedRmsNorm: WholeRmsNorm = {
  forward: (x, width, weight, eps) => {
    sameType(x, weight);
    assert.deepEqual(native().shape(weight), [width]);
    return scope((keep) => {
      const rows = wide(x, keep);
      const square = keep(mean(keep(multiply(rows, rows)), [-1], true, 'float32'));
      const rstd = keep(rsqrt(keep(addScalar(square, eps, 1))));
      const y = keep(multiply(keep(multiply(rows, rstd)), wide(weight, keep)));
      return [keep(to(y, native().dtype(x) === 'Float' ? 'float32' : 'bfloat16', false, true, null)), rstd] as [
        Handle,
        Handle,
      ];
    });
  },
  backward: (dy, { x, rstd, width, weight }) => {
    sameType(dy, x, weight);
    assert.equal(native().dtype(rstd), 'Float');
    return scope((keep) => {
      const normalized = keep(multiply(wide(x, keep), rstd));
      const gradient = keep(multiply(wide(dy, keep), wide(weight, keep)));
      const along = keep(scaled(keep(sum(keep(multiply(gradient, normalized)), [-1], true, 'float32')), 1 / width));
      const dx = keep(multiply(keep(subtract(gradient, keep(multiply(normalized, along)), 1)), rstd));
      return keep(to(dx, native().dtype(x) === 'Float' ? 'float32' : 'bfloat16', false, true, null));
    });
  },
};

/** What the engine registers on CUDA, by these. */
export const emulatedKernels: CudaKernels = {
  float32: wholeRmsNormKernels(emulatedRmsNorm),
  bf16: { ...wholeAttentionKernels(emulatedAttention, narrowAttention), ...wholeRmsNormKernels(emulatedRmsNorm) },
};
