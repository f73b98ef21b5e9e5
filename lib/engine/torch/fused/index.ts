/** Native kernels of the fused ops. What is missing for a device is computed by the op's composite. */

import { registerFusedKernels } from '../../ops/index.ts';
import { BACKEND_NAME, type TorchBackend } from '../backend.ts';
import { bindComposite, bindKernel } from '../kernels/index.ts';
import type { KernelTable } from '../kernels/kernel.ts';
import { optimizerKernels, optimizerLoops } from './adamw.ts';
import { narrowAttention } from './attention.ts';
import { cpuKernels } from './cpu.ts';
import { type CudaKernels, tryCudaKernels } from './cuda.ts';
import { dropoutKernels } from './dropout.ts';
import { linearKernels } from './linear.ts';
import { narrowNormKernels, normKernels } from './norm.ts';
import { headKernels, pointwiseKernels } from './pointwise.ts';

/** For float32, on any device. */
const ANY_DEVICE: KernelTable = {
  ...linearKernels,
  ...normKernels,
  ...headKernels,
  ...pointwiseKernels,
  ...dropoutKernels,
  ...optimizerKernels,
};

/** Of ops that take bfloat16 themselves, and not float32 copies of it. */
const NARROW: KernelTable = { ...narrowAttention, ...narrowNormKernels, ...pointwiseKernels };

const NONE: CudaKernels = { float32: {}, bf16: {} };

/**
 * Registers every fused op: by a native kernel where there is one, else by its composite.
 * @param request `loops`: whether the addon's own loops serve, which know the CPU alone; `device`: kernels that only its device has
 */
export function registerFused(
  backend: TorchBackend,
  { loops, device = NONE }: { loops: boolean; device?: CudaKernels },
): void {
  const narrow: KernelTable = { ...NARROW, ...device.bf16 };
  const table: KernelTable = {
    ...ANY_DEVICE,
    ...(loops ? { ...cpuKernels, ...optimizerLoops } : {}),
    ...device.float32,
  };
  const overrides = Object.fromEntries(
    Object.entries(table).map(([name, kernel]) => [name, bindKernel({ name, kernel, narrow: narrow[name] }, backend)]),
  );
  registerFusedKernels(BACKEND_NAME, overrides, (name, composite) =>
    bindComposite({ name, composite, narrow: narrow[name] }, backend),
  );
}

/**
 * As {@link registerFused}, for CUDA: its own kernels too, those that give the numbers of the kernels of any device. Those are registered
 * already, and the backend is tfjs's current one.
 * @returns what is not used, and why
 */
export function registerFusedForCuda(backend: TorchBackend): string[] {
  const { kernels, without } = tryCudaKernels(backend);
  registerFused(backend, { loops: false, device: kernels });
  return without;
}
