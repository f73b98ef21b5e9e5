/** Opens the torch engine: loads the addon, chooses the device, registers the backend and its kernels. */

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { registerLender } from '../lend.ts';
import { refuseMissingKernels } from '../missing-kernels.ts';
import { registerNarrowStore } from '../narrow.ts';
import type { Precision } from '../precision.ts';
import { tf } from '../tf.ts';
import { BACKEND_NAME, TorchBackend } from './backend.ts';
import { loadBinding, type NativeBinding, runtimeVersion } from './binding.ts';
import { registerFused, registerFusedForCuda } from './fused/index.ts';
import { registerKernels } from './kernels/index.ts';
import { type ReadyTorch, readyTorch, type SetupOptions } from './setup.ts';

export interface OpenTorchOptions extends SetupOptions {
  device: 'auto' | 'cpu' | 'cuda';
  /** Default: the processors this process may use. */
  threads?: number | undefined;
  /** A libtorch and its addon that are known already; nothing is looked for then. */
  ready?: ReadyTorch | undefined;
}

/** Loads the CUDA half of a libtorch and tries the first GPU; the reason when there is none. */
function tryCuda(binding: NativeBinding, libDir: string): string | undefined {
  const library = join(libDir, 'libtorch_cuda.so');
  if (!existsSync(library)) return `no ${library}: this libtorch computes on the CPU only`;
  // Read by torch's allocator when it starts. Batches of many lengths leave gaps in blocks of fixed size, which these can fill.
  process.env['PYTORCH_CUDA_ALLOC_CONF'] ??= 'expandable_segments:True';
  try {
    binding.loadLibrary(library);
    binding.release(binding.fromData(new Float32Array(1), 'float32', [1], 'float32', 'cuda:0'));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function chooseDevice(binding: NativeBinding, libDir: string, asked: OpenTorchOptions['device']): 'cpu' | 'cuda' {
  if (asked === 'cpu') return 'cpu';
  const reason = tryCuda(binding, libDir);
  if (reason === undefined) return 'cuda';
  if (asked === 'auto') return 'cpu';
  throw new TristageError({
    kind: 'environment',
    code: 'E_DEVICE',
    message: 'the torch engine cannot use a CUDA device here',
    found: reason,
    expected: 'an NVIDIA GPU with its driver, and a libtorch with CUDA kernels',
    fix: 'use device cpu, or run tristage setup on a machine with a GPU',
  });
}

/** What is not used of CUDA's own operators, found when the backend was registered. */
let slower: readonly string[] = [];

/** Whatever goes wrong with them, the kernels of any device stay registered. */
function tryFusedForCuda(backend: TorchBackend): string[] {
  try {
    return registerFusedForCuda(backend);
  } catch (error) {
    return [`operators of CUDA (${error instanceof Error ? error.message : String(error)})`];
  }
}

/**
 * Opens the engine and makes it tfjs's current backend. Compiles the addon when it is missing; downloads nothing.
 * @throws TristageError E_TORCH_MISSING, E_COMPILER, E_BUILD, E_TORCH_ABI, E_TORCH_LOAD, E_DEVICE
 */
export async function openTorch(
  options: OpenTorchOptions,
): Promise<{ device: 'cpu' | 'cuda'; version: string; threads: number; slower?: readonly string[] }> {
  const { install, addonPath } = options.ready ?? (await readyTorch(options));
  const binding = loadBinding(addonPath);
  // Left to itself libtorch may compute with one thread inside Node.
  binding.setThreads(options.threads ?? availableParallelism());
  const device = chooseDevice(binding, install.libDir, options.device);
  if (tf.findBackend(BACKEND_NAME) === null) {
    const backend = new TorchBackend(device === 'cuda' ? 'cuda:0' : 'cpu');
    tf.registerBackend(BACKEND_NAME, () => backend);
    registerNarrowStore(BACKEND_NAME, backend.narrow);
    if (device === 'cpu') registerLender(BACKEND_NAME, (bytes) => binding.lend(bytes));
    registerKernels(backend);
    registerFused(backend, { loops: device === 'cpu' });
    refuseMissingKernels(BACKEND_NAME);
    await tf.setBackend(BACKEND_NAME);
    if (device === 'cuda') slower = tryFusedForCuda(backend);
  }
  await tf.setBackend(BACKEND_NAME);
  const version = runtimeVersion(binding) ?? install.version;
  return { device, version, threads: binding.threads(), ...(slower.length === 0 ? {} : { slower }) };
}

/** Makes the open engine compute in float32 or in bfloat16; see physical.ts. */
export function computeTorchIn(precision: Precision): void {
  (tf.findBackend(BACKEND_NAME) as TorchBackend).computes = precision;
}
