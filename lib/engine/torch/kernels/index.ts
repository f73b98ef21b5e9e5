/** All kernels of the torch engine, registered with tfjs. */

import { widening, wideningLate } from '../../narrow.ts';
import { type KernelConfig, tf } from '../../tf.ts';
import { BACKEND_NAME, type TorchBackend } from '../backend.ts';
import { computing } from '../physical.ts';
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
const VIEWS = new Set('Identity Reshape ExpandDims Transpose Slice SplitV Unpack SplitHeads JoinHeads'.split(' '));

type KernelFunc = KernelConfig['kernelFunc'];

/** A kernel as tfjs calls it. */
function bound(kernel: Kernel, backend: TorchBackend): KernelFunc {
  return ({ inputs, attrs }) =>
    kernel({
      backend,
      inputs: inputs as Parameters<Kernel>[0]['inputs'],
      attrs: (attrs ?? {}) as Record<string, unknown>,
    });
}

/** A kernel that computes in float32; inputs that lie in bfloat16 reach it as float32. */
function storing(name: string, kernel: KernelFunc, backend: TorchBackend): KernelFunc {
  if (VIEWS.has(name)) return kernel;
  if (name === 'GatherV2') return wideningLate(kernel, backend.narrow);
  // These widen a weight themselves, unless it is multiplied by few rows.
  const taken = name === 'Linear' || name === 'LoraLinear' ? ['weight'] : [];
  return widening(kernel, backend.narrow, taken);
}

/**
 * A kernel as tfjs calls it.
 * @param narrow the kernel for inputs in bfloat16; absent: the same one
 */
export function bindKernel(
  { name, kernel, narrow }: { name: string; kernel: Kernel; narrow?: Kernel | undefined },
  backend: TorchBackend,
): KernelFunc {
  const wide = storing(name, bound(kernel, backend), backend);
  return computing(
    { name, kernel: wide, narrow: bound(narrow ?? kernel, backend), own: narrow !== undefined },
    backend,
  );
}

/** As {@link bindKernel}, for the composite of a fused op, whose operations look after their inputs themselves. */
export function bindComposite(
  { name, composite, narrow }: { name: string; composite: KernelFunc; narrow?: Kernel | undefined },
  backend: TorchBackend,
): KernelFunc {
  const kernel = composite;
  const own = narrow !== undefined;
  return computing({ name, kernel, narrow: own ? bound(narrow, backend) : composite, own }, backend);
}

/** Registers every plain kernel for the backend. */
export function registerKernels(backend: TorchBackend): void {
  for (const table of TABLES) {
    for (const [kernelName, kernel] of Object.entries(table)) {
      tf.registerKernel({
        kernelName,
        backendName: BACKEND_NAME,
        kernelFunc: bindKernel({ name: kernelName, kernel }, backend),
      });
    }
  }
}
