/** Kernels and fused ops on the device, values and gradients, against tfjs's plain backend on the host. */
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { observed } from '../../conformance/torch/bf16-support.ts';
import { KERNEL_CASES } from '../../conformance/torch/cases.ts';
import { LARGE_CASES } from '../../conformance/torch/fused-cases.ts';
import { assertSameAsReference, valueAndGradients } from '../../conformance/torch/support.ts';
import { OP_CASES } from '../../gradient/cases.ts';
import type { Device, Precision } from '../engine.ts';
import { emitOutcome } from '../record.ts';

/** Functions such as tan and pow are computed by other polynomials on a GPU: a few units in the last place more. */
const KERNEL_LIMIT: Readonly<Record<Device, number>> = { cpu: 1e-6, cuda: 5e-6 };
/** As test/conformance/torch/fused.test.ts. */
const FUSED_LIMIT = 2e-5;
/** As test/conformance/torch/bf16.test.ts. */
const BF16_LIMIT = 2 ** -6;
const BF16_GRADIENT_LIMIT = 0.03;
const EXACT_INPUTS = ['bias', 'mask', 'cos', 'sin'];

function prepareReference(): void {
  // tfjs's plain backend is the reference here; its hint to use a faster one means users.
  tf.env().set('IS_NODE', false);
  registerFusedKernels('cpu', {});
}

/** Every plain kernel; in bf16 each is given bfloat16, and its results must lie in the declared type. */
export async function kernels(device: Device, precision: Precision): Promise<void> {
  prepareReference();
  for (const { name, run, limit = 0 } of KERNEL_CASES) {
    await emitOutcome(name, () =>
      precision === 'bf16'
        ? observed(() => assertSameAsReference(run, BF16_LIMIT))
        : assertSameAsReference(run, Math.max(limit, KERNEL_LIMIT[device])),
    );
  }
}

/** Every fused op and its gradients; in bf16 the value on rounded inputs, and the gradients against those of float32. */
export async function fused(precision: Precision): Promise<void> {
  prepareReference();
  for (const opCase of [...OP_CASES, ...LARGE_CASES]) {
    const { name, inputs, run } = opCase;
    if (precision === 'float32') {
      await emitOutcome(name, () => assertSameAsReference(() => valueAndGradients(opCase), FUSED_LIMIT));
      continue;
    }
    const value = () => tf.tidy(() => run(...inputs()));
    await emitOutcome(name, () => observed(() => assertSameAsReference(value, BF16_LIMIT), EXACT_INPUTS));
    const gradients = () => tf.tidy(() => valueAndGradients(opCase).slice(2));
    await emitOutcome(`${name}, gradients`, () => assertSameAsReference(gradients, BF16_GRADIENT_LIMIT));
  }
}
