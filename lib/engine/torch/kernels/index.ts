/** All kernels of the torch engine, registered with tfjs. */

import { widening, wideningLate } from '../../narrow.ts';
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

/** Kernels that only look at elements from another side: what lies in bfloat16 stays so. */
const VIEWS = new Set(['Identity', 'Reshape', 'ExpandDims', 'Transpose', 'Slice', 'SplitV', 'Unpack']);

/** A kernel as tfjs calls it; inputs that lie in bfloat16 reach it as float32. */
export function bindKernel(name: string, kernel: Kernel, backend: TorchBackend): KernelConfig['kernelFunc'] {
  const bound: KernelConfig['kernelFunc'] = ({ inputs, attrs }) =>
    kernel({
      backend,
      inputs: inputs as Parameters<Kernel>[0]['inputs'],
      attrs: (attrs ?? {}) as Record<string, unknown>,
    });
  if (VIEWS.has(name)) return bound;
  return name === 'GatherV2' ? wideningLate(bound, backend.narrow) : widening(bound, backend.narrow);
}

/** Registers every plain kernel for the backend. */
export function registerKernels(backend: TorchBackend): void {
  for (const table of TABLES) {
    for (const [kernelName, kernel] of Object.entries(table)) {
      tf.registerKernel({ kernelName, backendName: BACKEND_NAME, kernelFunc: bindKernel(kernelName, kernel, backend) });
    }
  }
}
