/** Kernels that tfjs knows and a backend lacks fail with a code and their name, not with tfjs's generic message. */

import { TristageError } from '../core/errors.ts';
import { tf } from './tf.ts';

/**
 * Registers, for every kernel of tfjs's `cpu` backend that `backendName` lacks, one that throws E_KERNEL.
 * @returns the names of the kernels that are missing
 */
export function refuseMissingKernels(backendName: string): string[] {
  const present = new Set(tf.getKernelsForBackend(backendName).map((kernel) => kernel.kernelName));
  const missing = tf
    .getKernelsForBackend('cpu')
    .map((kernel) => kernel.kernelName)
    .filter((name) => !present.has(name));
  for (const kernelName of missing) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: () => {
        throw new TristageError({
          kind: 'environment',
          code: 'E_KERNEL',
          message: `the engine '${backendName}' has no kernel '${kernelName}'`,
          found: kernelName,
          fix: 'use other operations, or an engine that has this one',
        });
      },
    });
  }
  return missing;
}
