/** Where a TensorFlow library comes from: a named folder, an installed Python tensorflow, or the cache. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { cacheDir } from '../../core/paths.ts';
import { everyPython, runCommand } from '../toolchain.ts';

/** The two libraries that the binding is linked with, as every Linux wheel names them. */
export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;
const HEADER = 'include/tensorflow/c/eager/c_api.h';

export type TensorflowSource = 'TRISTAGE_TENSORFLOW_DIR' | 'python' | 'cache' | 'pip';

export interface TensorflowLibrary {
  /** The folder `tensorflow` of a wheel: it holds LIBRARIES and `include`. */
  dir: string;
  source: TensorflowSource;
}

/** This project's own corner of the cache. */
export function tensorflowCache(): string {
  return join(cacheDir(), 'tensorflow');
}

/** What a folder lacks to serve as a TensorFlow library; empty when it is complete. */
export function missingParts(dir: string): string[] {
  return [...LIBRARIES, HEADER].filter((part) => !existsSync(join(dir, part)));
}

/** Size in bytes of the two libraries of a folder. */
export function libraryBytes(dir: string): number {
  return LIBRARIES.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

/**
 * The folder that TRISTAGE_TENSORFLOW_DIR names, or undefined when it is not set.
 * @throws TristageError E_TENSORFLOW_DIR when the folder is set but incomplete
 */
export function namedTensorflow(): TensorflowLibrary | undefined {
  const named = process.env['TRISTAGE_TENSORFLOW_DIR'];
  if (named === undefined || named === '') return undefined;
  const candidates = [resolve(named), resolve(named, 'tensorflow')];
  const dir = candidates.find((folder) => missingParts(folder).length === 0);
  if (dir !== undefined) return { dir, source: 'TRISTAGE_TENSORFLOW_DIR' };
  throw new TristageError({
    kind: 'environment',
    code: 'E_TENSORFLOW_DIR',
    message: 'TRISTAGE_TENSORFLOW_DIR does not hold a TensorFlow library',
    where: resolve(named),
    found: `no ${missingParts(resolve(named)).join(', no ')}`,
    expected: `the folder tensorflow of a Python wheel, with ${LIBRARIES.join(', ')} and include/`,
    fix: 'name the folder site-packages/tensorflow, or unset TRISTAGE_TENSORFLOW_DIR and run tristage setup --engine tensorflow',
  });
}

const ASK_PYTHON = `
import importlib.util
spec = importlib.util.find_spec("tensorflow")
print("\\n".join(spec.submodule_search_locations or []) if spec else "")
`;

/** A complete TensorFlow in one of the machine's Pythons; the package is looked up, not imported. */
async function pythonTensorflow(): Promise<TensorflowLibrary | undefined> {
  for (const python of everyPython()) {
    const { status, stdout } = await runCommand(python, ['-c', ASK_PYTHON]);
    if (status !== 0) continue;
    const dir = stdout.split('\n').find((line) => line !== '' && missingParts(line).length === 0);
    if (dir !== undefined) return { dir, source: 'python' };
  }
  return undefined;
}

/** The newest complete library that an earlier set-up fetched. */
export function cachedTensorflow(variant: string): TensorflowLibrary | undefined {
  const root = tensorflowCache();
  if (!existsSync(root)) return undefined;
  const newestFirst = readdirSync(root).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  for (const name of newestFirst) {
    const dir = join(root, name, 'tensorflow');
    if (basename(name).startsWith(`${variant}-`) && missingParts(dir).length === 0) return { dir, source: 'cache' };
  }
  return undefined;
}

/**
 * The TensorFlow library to use, in the order: TRISTAGE_TENSORFLOW_DIR, an installed Python tensorflow, the cache.
 * @param variant name of the wheel a set-up on this machine would fetch
 * @returns undefined when there is none, so that it must be fetched
 * @throws TristageError E_TENSORFLOW_DIR
 */
export async function locateTensorflow(variant: string): Promise<TensorflowLibrary | undefined> {
  return namedTensorflow() ?? (await pythonTensorflow()) ?? cachedTensorflow(variant);
}
