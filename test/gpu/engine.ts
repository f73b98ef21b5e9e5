/** The torch engine as the archive holds it: a compiled addon, and the libtorch that the host's Python has. */
import { dirname } from 'node:path';
import type { Precision } from '../../lib/engine/precision.ts';
import type { TorchInstall } from '../../lib/engine/torch/find.ts';
import { computeTorchIn, openTorch } from '../../lib/engine/torch/index.ts';

export type { Precision };
export type Device = 'cpu' | 'cuda';

export interface PackedEngine {
  device: Device;
  /** Folder of libtorch_cpu.so. */
  libDir: string;
  addonPath: string;
  /** Default: the processors this process may use. */
  threads?: number | undefined;
  /** What it computes in, on the CPU too, where only tests do so. */
  precision: Precision;
}

/**
 * Opens the engine without looking for a libtorch or a compiler.
 * @throws TristageError E_TORCH_ABI, E_TORCH_LOAD, E_DEVICE
 */
export async function openPacked(request: PackedEngine): Promise<Awaited<ReturnType<typeof openTorch>>> {
  const { device, libDir, addonPath, threads, precision } = request;
  // The addon's own record says what it fits; it is held against the library when it is loaded.
  const install: TorchInstall = {
    source: 'dir',
    dir: dirname(libDir),
    libDir,
    includeDirs: [],
    version: '',
    cxx11Abi: true,
  };
  const opened = await openTorch({ device, threads, ready: { install, addonPath } });
  computeTorchIn(precision);
  return opened;
}
