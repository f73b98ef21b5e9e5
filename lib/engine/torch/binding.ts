/** The native addon as TypeScript sees it, loaded once per process, and its failures as typed errors. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import type { TypedArray } from '../tf.ts';

/** A tensor of libtorch: a small integer that is valid until it is released. */
export type Handle = number;

/** What an operator takes; the operator's schema says which number is a handle and which a value. */
export type Argument = number | boolean | string | null | undefined | readonly (number | boolean | null)[];

export interface NativeBinding {
  resolve(name: string): number;
  hasOperator(name: string): boolean;
  call(operator: number, ...args: Argument[]): unknown;
  release(tensor: Handle): void;
  fromData(
    values: TypedArray | Uint16Array,
    source: string,
    shape: readonly number[],
    target: string,
    device: string,
  ): Handle;
  /** Fresh memory on the CPU; `fromData` with an array over all of it takes it back without a copy and leaves the array empty. */
  lend(bytes: number): ArrayBuffer;
  read(tensor: Handle): TypedArray;
  readAsync(tensor: Handle): Promise<TypedArray>;
  shape(tensor: Handle): number[];
  dtype(tensor: Handle): string;
  isExclusive(tensor: Handle): boolean;
  /** Live tensors, live bytes of distinct storages, and the most such bytes since the last `resetPeak`. */
  stats(): [tensors: number, bytes: number, peakBytes: number];
  resetPeak(): void;
  /**
   * Bytes of the blocks that CPU tensors lie in, those inside operators included: in use, kept to be used again, and the most in use
   * since the last `resetPeak`. Blocks below 64 KiB are the C library's and not counted.
   */
  memory(): [used: number, kept: number, peak: number];
  /** Operators fail with E_MEMORY that would take more than this for CPU tensors; 0: no limit but the machine's. */
  limitMemory(bytes: number): void;
  setThreads(count: number): void;
  threads(): number;
  buildSettings(): string;
  loadLibrary(path: string): void;
  onError(factory: (where: string, message: string, fromTorch: boolean) => Error): void;
}

/** What is recorded beside a built addon. */
export interface AddonRecord {
  /** Version of the headers that it was compiled with. */
  torchVersion: string;
  libDir: string;
  cxx11Abi: boolean;
  compiler: string;
}

export const RECORD_NAME = 'addon.json';

/** The addon that was tried in this process; without a binding when it did not fit. */
let loaded: { path: string; binding?: NativeBinding } | undefined;

/**
 * The binding of this process.
 * @throws TristageError E_ENGINE_CLOSED before an engine was opened
 */
export function native(): NativeBinding {
  if (loaded?.binding !== undefined) return loaded.binding;
  throw new TristageError({
    kind: 'environment',
    code: 'E_ENGINE_CLOSED',
    message: 'the torch engine is not open',
    fix: 'await openEngine() before the first operation',
  });
}

function operatorError(where: string, message: string, fromTorch: boolean): TristageError {
  const text = message.split('\nException raised from')[0]!.trim();
  if (/can't allocate memory|CUDA out of memory|not enough memory/i.test(text)) {
    return new TristageError({
      kind: 'resources',
      code: 'E_MEMORY',
      message: `out of memory in ${where}`,
      found: text,
      fix: 'use a smaller micro batch, or turn recompute on',
    });
  }
  return new TristageError({
    kind: 'failure',
    code: 'E_TORCH',
    message: fromTorch ? `torch: ${text}` : text,
    where,
  });
}

function abiError(path: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_TORCH_ABI',
    message: 'the addon does not fit the libtorch that is installed',
    where: path,
    found,
    expected,
    fix: 'run tristage setup to build it again; unset LD_LIBRARY_PATH and LD_PRELOAD if they name another torch',
  });
}

function openAddon(path: string): NativeBinding {
  try {
    return createRequire(import.meta.url)(path) as NativeBinding;
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    if (/undefined symbol|version `|GLIBCXX|CXXABI/.test(found)) {
      throw abiError(path, found, 'every symbol that the addon was compiled against');
    }
    throw new TristageError({
      kind: 'environment',
      code: 'E_TORCH_LOAD',
      message: 'the torch addon could not be loaded',
      where: path,
      found,
      fix: 'run tristage setup; if a library is missing, install it or set TRISTAGE_TORCH_DIR to another libtorch',
    });
  }
}

const majorMinor = (version: string) => version.split('.').slice(0, 2).join('.');

/** Version of the library that was really loaded, as it describes itself. */
export function runtimeVersion(binding: Pick<NativeBinding, 'buildSettings'>): string | undefined {
  return /TORCH_VERSION=([0-9.]+)/.exec(binding.buildSettings())?.[1];
}

/**
 * Loads the addon, once per process.
 * @throws TristageError E_TORCH_ABI when the library is not the one it was built for, E_TORCH_LOAD when it does not
 * load, E_TORCH_TWICE when another libtorch is loaded already
 */
export function loadBinding(path: string): NativeBinding {
  if (loaded?.path === path && loaded.binding !== undefined) return loaded.binding;
  // A library stays in the process even when it is refused, and a second one beside it would end the process.
  if (loaded !== undefined && loaded.path !== path) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_TORCH_TWICE',
      message: 'another libtorch is loaded in this process',
      found: loaded.path,
      expected: path,
      fix: 'start a new process for another libtorch',
    });
  }
  const record = JSON.parse(readFileSync(join(dirname(path), RECORD_NAME), 'utf8')) as AddonRecord;
  const binding = openAddon(path);
  loaded = { path };
  const version = runtimeVersion(binding);
  if (version === undefined || majorMinor(version) !== majorMinor(record.torchVersion)) {
    throw abiError(path, `libtorch ${version ?? 'of unknown version'}`, `libtorch ${record.torchVersion}`);
  }
  binding.onError(operatorError);
  loaded = { path, binding };
  return binding;
}

const OPERATORS = new Map<string, number>();

/**
 * A function that calls one operator; its name is looked up at the first call.
 * @param name with overload, for example `aten::add.Tensor`
 */
export function operator<R = Handle>(name: string): (...args: Argument[]) => R {
  let handle = OPERATORS.get(name) ?? -1;
  return (...args) => {
    const binding = native();
    if (handle < 0) {
      handle = binding.resolve(name);
      OPERATORS.set(name, handle);
    }
    return binding.call(handle, ...args) as R;
  };
}

/** Whether the libtorch that is loaded knows this operator. */
export function hasOperator(name: string): boolean {
  return native().hasOperator(name);
}

/**
 * Runs `f` and then releases every handle that was passed to `keep`, also when `f` throws.
 * `keep` returns its argument, so that an intermediate result can be used where it arises.
 */
export function withTemporaries<T>(f: (keep: (tensor: Handle) => Handle) => T): T {
  const kept: Handle[] = [];
  try {
    return f((tensor) => {
      kept.push(tensor);
      return tensor;
    });
  } finally {
    for (const tensor of kept) native().release(tensor);
  }
}

/**
 * Runs `f` and hands on what it returns; when it throws, every handle that was passed to `own` is released.
 * `own` returns its argument, as that of `withTemporaries`.
 */
export function makingResults<T>(f: (own: (tensor: Handle) => Handle) => T): T {
  const made: Handle[] = [];
  try {
    return f((tensor) => {
      made.push(tensor);
      return tensor;
    });
  } catch (error) {
    for (const tensor of made) native().release(tensor);
    throw error;
  }
}
