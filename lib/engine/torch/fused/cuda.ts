/**
 * What torch's CUDA kernels have and no other device: attention and RMS norm as one operator each, updates of lists of weights. Before
 * one is used it computes a small problem, and where it fails there or its numbers are others, the kernels of any device stay in its place.
 */

import type { TorchBackend } from '../backend.ts';
import { type Handle, hasOperator, native, operator } from '../binding.ts';
import type { KernelTable } from '../kernels/kernel.ts';
import { narrowAttention } from './attention.ts';
import { foreachKernels } from './foreach.ts';
import { type WholeRmsNorm, wholeRmsNormKernels } from './rms-norm.ts';
import { adamwTrial, attentionTrial, rmsNormTrial } from './trials.ts';
import { type WholeAttention, wholeAttentionKernels } from './whole-attention.ts';

const attentionForward = operator<[Handle, Handle, Handle | null, Handle | null, number, number]>(
  'aten::_efficient_attention_forward',
);
const attentionBackward = operator<[Handle, Handle, Handle, Handle | null]>('aten::_efficient_attention_backward');
const rmsNormForward = operator<[Handle, Handle]>('aten::_fused_rms_norm');
const rmsNormBackward = operator<[Handle, Handle | null]>('aten::_fused_rms_norm_backward');

/** torch's numbers of masks; a causal one that ends at the last key also serves where there are as many keys as queries. */
const MASK = { none: 0, causal: 2 } as const;

const attention: WholeAttention = {
  forward({ q, k, v, bias, mask, scale }) {
    // Lengths of rows, and from where they count, are for rows laid end to end; here the shapes say it.
    const results = attentionForward(q, k, v, bias, null, null, null, null, 0, MASK[mask], true, scale);
    const [o, lse, seed, offset] = results;
    // Of a dropout that is not used.
    for (const unused of [seed, offset]) if (unused !== null) native().release(unused);
    return [o, lse];
  },
  backward({ q, k, v, bias, mask, scale }, { dy, o, lse }) {
    const [queries, keys] = [native().shape(q)[1]!, native().shape(k)[1]!];
    // Seed and offset are not read. Keys in one part: several would add to dq in any order.
    const rest = [0, lse, lse, MASK[mask], false, scale, 1] as const;
    const [dq, dk, dv] = attentionBackward(dy, q, k, v, bias, o, null, null, queries, keys, lse, ...rest);
    return [dq, dk, dv];
  },
};

const rmsNorm: WholeRmsNorm = {
  forward: (x, width, weight, eps) => rmsNormForward(x, [width], weight, eps),
  backward: (dy, { x, rstd, width, weight }) => rmsNormBackward(dy, x, [width], rstd, weight, [true, false])[0],
};

/** Kernels for CUDA: of float32, and of bfloat16. */
export interface CudaKernels {
  float32: KernelTable;
  bf16: KernelTable;
}

/** Operators that belong together. */
interface Candidate {
  what: string;
  operators: readonly string[];
  kernels: Partial<CudaKernels>;
  /** How far they are from the kernels of any device, in shares of what is allowed. */
  trial: (backend: TorchBackend) => number;
}

function candidates({ device }: TorchBackend): Candidate[] {
  const attentions = wholeAttentionKernels(attention, narrowAttention);
  const norms = wholeRmsNormKernels(rmsNorm);
  const lists = foreachKernels(device);
  return [
    {
      what: 'attention in bf16',
      operators: ['aten::_efficient_attention_forward', 'aten::_efficient_attention_backward'],
      // In float32 torch multiplies shorter numbers there.
      kernels: { bf16: attentions },
      trial: (backend) => attentionTrial(attentions, backend),
    },
    {
      what: 'RMS norm',
      operators: ['aten::_fused_rms_norm', 'aten::_fused_rms_norm_backward'],
      kernels: { float32: norms, bf16: norms },
      trial: (backend) => rmsNormTrial(norms, backend),
    },
    {
      what: 'updates of many weights at once',
      operators: ['aten::_fused_adamw_', 'aten::_foreach_norm.Scalar'],
      kernels: { float32: lists },
      trial: (backend) => adamwTrial(lists, backend),
    },
  ];
}

/** Why a candidate is not used; undefined where it may be. */
function objection(
  { operators, trial }: Pick<Candidate, 'operators' | 'trial'>,
  backend: TorchBackend,
): string | undefined {
  const missing = operators.find((name) => !hasOperator(name));
  if (missing !== undefined) return `no ${missing}`;
  try {
    const distance = trial(backend);
    return distance <= 1 ? undefined : `its numbers are ${distance.toPrecision(2)} times as far away as they may be`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Tries what CUDA has; the composites must be registered, and the engine compute in float32.
 * @returns the kernels that hold, and in words what is missing and why
 */
export function tryCudaKernels(
  backend: TorchBackend,
  offered: readonly Candidate[] = candidates(backend),
): { kernels: CudaKernels; without: string[] } {
  const kernels: CudaKernels = { float32: {}, bf16: {} };
  const without: string[] = [];
  for (const candidate of offered) {
    const reason = objection(candidate, backend);
    if (reason !== undefined) {
      without.push(`${candidate.what} (${reason})`);
      continue;
    }
    kernels.float32 = { ...kernels.float32, ...candidate.kernels.float32 };
    kernels.bf16 = { ...kernels.bf16, ...candidate.kernels.bf16 };
  }
  return { kernels, without };
}
