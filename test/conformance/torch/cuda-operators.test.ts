/** Operators that only CUDA has: each is tried before it is used, and none that gives other numbers is. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AdamWAttrs } from '../../../lib/engine/ops/adamw-update.ts';
import { squaredNorms } from '../../../lib/engine/ops/squared-norms.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { native, operator, withTemporaries } from '../../../lib/engine/torch/binding.ts';
import { adamwKernel, updateByOperators } from '../../../lib/engine/torch/fused/adamw.ts';
import { narrowAttention } from '../../../lib/engine/torch/fused/attention.ts';
import { tryCudaKernels } from '../../../lib/engine/torch/fused/cuda.ts';
import { foreachKernels } from '../../../lib/engine/torch/fused/foreach.ts';
import { wholeRmsNormKernels } from '../../../lib/engine/torch/fused/rms-norm.ts';
import { adamwTrial, attentionTrial, rmsNormTrial } from '../../../lib/engine/torch/fused/trials.ts';
import { type WholeAttention, wholeAttentionKernels } from '../../../lib/engine/torch/fused/whole-attention.ts';
import { torchBackend } from './bf16-support.ts';
import { openOrReason } from './support.ts';
import { emulatedAttention, emulatedRmsNorm } from './whole-operators.ts';

const skip = await openOrReason();

const fill = operator<void>('aten::fill_.Scalar');
const slice = operator('aten::slice.Tensor');
const attentionOf = (whole: WholeAttention) => wholeAttentionKernels(whole, narrowAttention);

/** A candidate whose operators are there, by kernels that are given. */
function offered(whole: WholeAttention): Parameters<typeof tryCudaKernels>[1] {
  const kernels = attentionOf(whole);
  return [
    {
      what: 'attention',
      operators: ['aten::matmul'],
      kernels: { bf16: kernels },
      trial: (backend) => attentionTrial(kernels, backend),
    },
  ];
}

describe("torch: CUDA's own operators", { skip }, () => {
  before(async () => {
    await tf.setBackend('torch');
  });

  test('operators as torch describes them pass their trials', () => {
    const backend = torchBackend();
    assert.ok(attentionTrial(attentionOf(emulatedAttention), backend) < 0.5);
    assert.ok(rmsNormTrial(wholeRmsNormKernels(emulatedRmsNorm), backend) < 0.5);
    const { kernels, without } = tryCudaKernels(backend, offered(emulatedAttention));
    assert.deepEqual([Object.keys(kernels.bf16), without], [['Attention', 'AttentionGrad'], []]);
  });

  test('one that masks or differentiates otherwise is not used, nor one that fails; nothing of a trial stays', () => {
    const backend = torchBackend();
    const open: WholeAttention = {
      ...emulatedAttention,
      forward: (given) => emulatedAttention.forward({ ...given, mask: 'none' }),
    };
    const unscaled: WholeAttention = {
      ...emulatedAttention,
      backward: (given, saved) => emulatedAttention.backward({ ...given, scale: 1 }, saved),
    };
    const notANumber: WholeAttention = {
      ...emulatedAttention,
      forward: (given) => {
        const [o, lse] = emulatedAttention.forward(given);
        // The first query only, as where a row sees nothing.
        withTemporaries((keep) => fill(keep(slice(o, 1, 0, 1, 1)), Number.NaN));
        return [o, lse];
      },
    };
    const failing: WholeAttention = {
      ...emulatedAttention,
      forward: () => {
        throw new Error('no kernel image');
      },
    };
    const before = [tf.memory().numTensors, native().stats()[0]];
    for (const [whole, reason] of [
      [open, /its numbers are/],
      [unscaled, /its numbers are/],
      [notANumber, /its numbers are NaN/],
      [failing, /no kernel image/],
    ] as const) {
      const { kernels, without } = tryCudaKernels(backend, offered(whole));
      assert.deepEqual(kernels, { float32: {}, bf16: {} });
      assert.match(without[0]!, reason);
    }
    assert.deepEqual([tf.memory().numTensors, native().stats()[0]], before);
  });

  test('updates that decay twice or not at all, or with another epsilon, are not used', () => {
    const backend = torchBackend();
    const by = (change: (attrs: AdamWAttrs) => Partial<AdamWAttrs>) =>
      adamwTrial(
        {
          ...foreachKernels('cpu'),
          SquaredNorms: ({ backend: own, inputs }) => {
            const sums = squaredNorms(Object.values(inputs) as Tensor[]);
            return own.share(sums);
          },
          AdamWUpdate: adamwKernel((items) => {
            for (const { tensors, attrs } of items) updateByOperators(tensors, { ...attrs, ...change(attrs) });
          }),
        },
        backend,
      );
    tf.tidy(() => {
      assert.ok(by(() => ({})) < 0.5);
      assert.ok(by(({ weightDecay }) => ({ weightDecay: 2 * weightDecay })) > 1);
      assert.ok(by(() => ({ weightDecay: 0 })) > 1);
      assert.ok(by(() => ({ eps: 1e-3 })) > 1);
      assert.ok(by(({ step }) => ({ step: step + 1 })) > 1);
    });
  });

  test('on a processor those are refused that have no kernel there, for a reason that says so', () => {
    const { kernels, without } = tryCudaKernels(torchBackend());
    assert.deepEqual(kernels.bf16, {});
    // Newer versions update lists of weights on a processor too.
    assert.ok(without.length >= 2);
    for (const reason of without) assert.match(reason, /'CPU' backend|no aten::|takes \d+ arguments/);
  });
});
