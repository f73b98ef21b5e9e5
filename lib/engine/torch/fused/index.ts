/** Native kernels of the fused ops. What is missing for a device is computed by the op's composite. */

import { registerFusedKernels } from '../../ops/index.ts';
import { BACKEND_NAME, type TorchBackend } from '../backend.ts';
import { bindComposite, bindKernel } from '../kernels/index.ts';
import type { KernelTable } from '../kernels/kernel.ts';
import { optimizerKernels } from './adamw.ts';
import { narrowAttention } from './attention.ts';
import { cpuKernels } from './cpu.ts';
import { linearKernels } from './linear.ts';
import { normKernels } from './norm.ts';

/** For ops whose composite and loops are float32 alone. */
const NARROW: KernelTable = narrowAttention;

/**
 * Registers every fused op: by a native kernel where there is one, else by its composite.
 * @param request `loops`: whether the addon's own loops serve, which know the CPU alone
 */
export function registerFused(backend: TorchBackend, { loops }: { loops: boolean }): void {
  const anyDevice: KernelTable = { ...linearKernels, ...normKernels, ...optimizerKernels };
  const table: KernelTable = loops ? { ...anyDevice, ...cpuKernels } : anyDevice;
  const overrides = Object.fromEntries(
    Object.entries(table).map(([name, kernel]) => [name, bindKernel({ name, kernel, narrow: NARROW[name] }, backend)]),
  );
  registerFusedKernels(BACKEND_NAME, overrides, (name, composite) =>
    bindComposite({ name, composite, narrow: NARROW[name] }, backend),
  );
}
