/** Native kernels of the fused ops. */

import type { KernelConfig } from '../../tf.ts';
import type { TorchBackend } from '../backend.ts';
import { bindKernel } from '../kernels/index.ts';
import type { KernelTable } from '../kernels/kernel.ts';

const TABLES: readonly KernelTable[] = [];

/** Fused kernel name -> native kernel, for `registerFusedKernels`. */
export function fusedKernels(backend: TorchBackend): Record<string, KernelConfig['kernelFunc']> {
  const entries = TABLES.flatMap((table) => Object.entries(table));
  return Object.fromEntries(entries.map(([name, kernel]) => [name, bindKernel(kernel, backend)]));
}
