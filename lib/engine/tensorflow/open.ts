/** Opens `@tensorflow/tfjs-node-gpu` on the addon that the set-up built; the npm package itself stays untouched. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { refuseMissingKernels } from '../missing-kernels.ts';
import { registerFusedKernels } from '../ops/index.ts';
import { tf } from '../tf.ts';
import { type Addon, addonFor, isBuilt, nodePackage } from './build.ts';
import { LIBRARIES, missingParts, namedTensorflow, tensorflowCache } from './locate.ts';
import { registerNarrow } from './narrow.ts';

export const BACKEND = 'tensorflow';

export interface TensorflowOptions {
  device: 'auto' | 'cpu' | 'cuda';
  /** Threads inside one operation; default: the processors this process may use. */
  threads?: number | undefined;
}

export interface OpenTensorflow {
  device: 'cpu' | 'cuda';
  /** Version of the TensorFlow library. */
  version: string;
  threads: number;
}

/** What the native binding of tfjs-node-gpu offers beyond the kernels. */
interface Binding {
  TF_Version: string;
  isUsingGpuDevice(): boolean;
  getNumOfTensors(): number;
}

/** File in which a set-up notes the library that it chose. */
export function setupRecord(): string {
  return join(tensorflowCache(), 'setup.json');
}

function missing(found: string): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_ENGINE_MISSING',
    message: "the engine 'tensorflow' is not set up",
    found,
    expected: 'a TensorFlow library and the addon built for it',
    fix: 'tristage setup --engine tensorflow',
  });
}

/**
 * The library folder that TRISTAGE_TENSORFLOW_DIR or the last set-up names; opening uses this one.
 * @throws TristageError E_ENGINE_MISSING, E_TENSORFLOW_DIR
 */
export function chosenDir(): string {
  const named = namedTensorflow();
  if (named) return named.dir;
  if (!existsSync(setupRecord())) throw missing(`no ${setupRecord()}`);
  const { dir } = JSON.parse(readFileSync(setupRecord(), 'utf8')) as { dir: string };
  const lost = missingParts(dir).filter((part) => (LIBRARIES as readonly string[]).includes(part));
  if (lost.length > 0) throw missing(`no ${lost.join(', no ')} in ${dir}`);
  return dir;
}

/** The addon of the chosen library. @throws TristageError E_ENGINE_MISSING */
function chosenAddon(): Addon {
  nodePackage();
  const dir = chosenDir();
  const addon = addonFor(dir);
  if (!isBuilt(addon)) throw missing(`no addon built for ${dir} and the installed tfjs-node-gpu`);
  return addon;
}

/**
 * Settings that TensorFlow reads from the environment as it loads. What the user set stays as it is.
 * oneDNN stays on: the same run gave the same bits with it, for one thread and for two, and it is a third faster.
 */
function applySettings(threads: number): void {
  const defaults: Record<string, string> = {
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_ENABLE_ONEDNN_OPTS: '1',
    TF_DETERMINISTIC_OPS: '1',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    // float32 means float32 on CUDA too: no TF32 products.
    NVIDIA_TF32_OVERRIDE: '0',
  };
  for (const [name, value] of Object.entries(defaults)) process.env[name] ??= value;
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_NUM_INTEROP_THREADS'] = '1';
}

/** tfjs-node-gpu 4.22 calls two functions that Node 23 removed. */
function restoreRemovedUtil(): void {
  const target = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  target['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  target['isArray'] ??= Array.isArray;
}

/**
 * Runs the package's own entry. It asks node-pre-gyp where its addon lies; the answer given here is the one in the
 * cache, so that nothing is written into node_modules and node-pre-gyp does not read this process's arguments.
 */
function loadPackage(addon: Addon): void {
  const require = createRequire(join(nodePackage(), 'package.json'));
  const finder = require.resolve('@mapbox/node-pre-gyp');
  const before = require.cache[finder];
  const answer = new Module(finder);
  answer.exports = { find: () => addon.binding };
  answer.loaded = true;
  require.cache[finder] = answer;
  try {
    require('./dist/index.js');
  } finally {
    if (before === undefined) delete require.cache[finder];
    else require.cache[finder] = before;
  }
}

/** Keeps TensorFlow's start-up log in a file of the cache, unless the user asked for the log. */
function quietly(addon: Addon, load: () => void): void {
  const wanted = Number(process.env['TF_CPP_MIN_LOG_LEVEL'] ?? '2') < 1;
  const guard = createRequire(import.meta.url)(addon.guard) as {
    divert(path: string): number;
    restore(saved: number): void;
  };
  const saved = wanted ? -1 : guard.divert(join(tensorflowCache(), 'load.log'));
  try {
    load();
  } finally {
    guard.restore(saved);
  }
}

function load(addon: Addon, device: TensorflowOptions['device']): void {
  const visible = process.env['CUDA_VISIBLE_DEVICES'];
  if (device === 'cpu') process.env['CUDA_VISIBLE_DEVICES'] = '-1';
  try {
    quietly(addon, () => loadPackage(addon));
  } catch (cause) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_ENGINE_LOAD',
      message: 'the TensorFlow library could not be loaded',
      where: addon.binding,
      found: cause instanceof Error ? cause.message : String(cause),
      fix: 'tristage setup --engine tensorflow; tristage doctor says more',
      cause,
    });
  } finally {
    // The devices are chosen; programs that this process starts must see them all.
    if (visible !== undefined) process.env['CUDA_VISIBLE_DEVICES'] = visible;
    else if (device === 'cpu') delete process.env['CUDA_VISIBLE_DEVICES'];
  }
}

/** The native binding behind the tfjs backend. */
function binding(): Binding {
  return (tf.backend() as tf.KernelBackend & { binding: Binding }).binding;
}

/** Tensors that live inside the TensorFlow library. */
export function nativeTensors(): number {
  return binding().getNumOfTensors();
}

/**
 * Makes `tensorflow` the current tfjs backend, with the fused kernels registered.
 * @throws TristageError E_ENGINE_MISSING, E_ENGINE_LOAD, E_DEVICE
 */
export async function openTensorflow({ device, threads }: TensorflowOptions): Promise<OpenTensorflow> {
  const addon = chosenAddon();
  const count = threads ?? availableParallelism();
  applySettings(count);
  restoreRemovedUtil();
  load(addon, device);
  await tf.setBackend(BACKEND);
  await tf.ready();
  const usesGpu = binding().isUsingGpuDevice();
  if (device === 'cuda' && !usesGpu) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_DEVICE',
      message: "the engine 'tensorflow' sees no CUDA device",
      found: `TensorFlow ${binding().TF_Version} on the CPU`,
      expected: 'an NVIDIA GPU with its driver, and a TensorFlow wheel with CUDA',
      fix: 'set device to cpu or auto, or run tristage setup --engine tensorflow where the GPU is',
    });
  }
  registerNarrow(BACKEND, tf.backend());
  registerFusedKernels(BACKEND, {});
  refuseMissingKernels(BACKEND);
  return { device: usesGpu ? 'cuda' : 'cpu', version: binding().TF_Version, threads: count };
}
