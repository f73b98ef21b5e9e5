/** All kernels of the torch engine, registered with tfjs. */

import { type KernelConfig, tf } from '../../tf.ts';
import { BACKEND_NAME, type TorchBackend } from '../backend.ts';
import { createKernels } from './create.ts';
import { elementwiseKernels } from './elementwise.ts';
import { gatherKernels } from './gather.ts';
import type { Kernel, KernelTable } from './kernel.ts';
import { matmulKernels } from './matmul.ts';
import { reduceKernels } from './reduce.ts';
import { shapeKernels } from './shape.ts';

const TABLES: readonly KernelTable[] = [
  createKernels,
  elementwiseKernels,
  gatherKernels,
  matmulKernels,
  reduceKernels,
  shapeKernels,
];

/** Names of the kernels that tfjs's own operations call. */
export const PLAIN_KERNELS: readonly string[] = TABLES.flatMap((table) => Object.keys(table));

/** A kernel as tfjs calls it. */
export function bindKernel(kernel: Kernel, backend: TorchBackend): KernelConfig['kernelFunc'] {
  return ({ inputs, attrs }) =>
    kernel({
      backend,
      inputs: inputs as Parameters<Kernel>[0]['inputs'],
      attrs: (attrs ?? {}) as Record<string, unknown>,
    });
}

/** Registers every plain kernel for the backend. */
export function registerKernels(backend: TorchBackend): void {
  for (const table of TABLES) {
    for (const [kernelName, kernel] of Object.entries(table)) {
      tf.registerKernel({ kernelName, backendName: BACKEND_NAME, kernelFunc: bindKernel(kernel, backend) });
    }
  }
}
