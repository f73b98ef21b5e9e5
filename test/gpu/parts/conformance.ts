/** Kernels and fused ops on the device, values and gradients, against tfjs's plain backend on the host. */
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { KERNEL_CASES } from '../../conformance/torch/cases.ts';
import { LARGE_CASES } from '../../conformance/torch/fused-cases.ts';
import { assertSameAsReference, valueAndGradients } from '../../conformance/torch/support.ts';
import { OP_CASES } from '../../gradient/cases.ts';
import type { Device } from '../engine.ts';
import { emitOutcome } from '../record.ts';

/** Functions such as tan and pow are computed by other polynomials on a GPU: a few units in the last place more. */
const KERNEL_LIMIT: Readonly<Record<Device, number>> = { cpu: 1e-6, cuda: 5e-6 };
/** As test/conformance/torch/fused.test.ts. */
const FUSED_LIMIT = 2e-5;

function prepareReference(): void {
  // tfjs's plain backend is the reference here; its hint to use a faster one means users.
  tf.env().set('IS_NODE', false);
  registerFusedKernels('cpu', {});
}

/** Every plain kernel. */
export async function kernels(device: Device): Promise<void> {
  prepareReference();
  for (const { name, run, limit = 0 } of KERNEL_CASES) {
    await emitOutcome(name, () => assertSameAsReference(run, Math.max(limit, KERNEL_LIMIT[device])));
  }
}

/** Every fused op and its gradients. */
export async function fused(): Promise<void> {
  prepareReference();
  for (const opCase of [...OP_CASES, ...LARGE_CASES]) {
    await emitOutcome(opCase.name, () => assertSameAsReference(() => valueAndGradients(opCase), FUSED_LIMIT));
  }
}
