/** Native kernels of the fused ops. What is missing for a device is computed by the op's composite. */

import type { KernelConfig } from '../../tf.ts';
import type { TorchBackend } from '../backend.ts';
import { bindKernel } from '../kernels/index.ts';
import type { KernelTable } from '../kernels/kernel.ts';
import { optimizerKernels } from './adamw.ts';
import { cpuKernels } from './cpu.ts';
import { linearKernels } from './linear.ts';
import { normKernels } from './norm.ts';

/** Fused kernel name -> native kernel, for `registerFusedKernels`. */
export function fusedKernels(backend: TorchBackend): Record<string, KernelConfig['kernelFunc']> {
  const anyDevice: KernelTable = { ...linearKernels, ...normKernels, ...optimizerKernels };
  const table = backend.device === 'cpu' ? { ...anyDevice, ...cpuKernels } : anyDevice;
  return Object.fromEntries(Object.entries(table).map(([name, kernel]) => [name, bindKernel(name, kernel, backend)]));
}
