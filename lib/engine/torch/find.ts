/** Where a libtorch comes from: a named folder, an installed Python torch, Debian's libtorch-dev, or the cached pip wheel. */

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { cacheDir } from '../../core/paths.ts';
import { everyPython, runCommand } from '../toolchain.ts';

/** `auto` tries all in the order of the others; a named one never falls back. */
export type TorchSource = 'auto' | 'dir' | 'python' | 'debian' | 'pip';

export interface TorchInstall {
  source: Exclude<TorchSource, 'auto'>;
  /** The folder that was found: `site-packages/torch`, an unpacked libtorch, or `/usr`. */
  dir: string;
  /** Folder of libtorch_cpu.so, links resolved. */
  libDir: string;
  includeDirs: string[];
  /** Version of the headers, for example `2.15.0`. */
  version: string;
  /** Whether the library uses the C++11 ABI of libstdc++ (Python wheels before about 2.6 do not). */
  cxx11Abi: boolean;
}

const DEBIAN_LIB = '/usr/lib/x86_64-linux-gnu';
const DEBIAN_INCLUDE = '/usr/include';
const API_HEADERS = 'torch/csrc/api/include';
const VERSION_HEADERS = ['torch/headeronly/version.h', `${API_HEADERS}/torch/version.h`];

/** This project's own corner of the cache for everything about libtorch. */
export function torchCache(): string {
  return join(cacheDir(), 'torch');
}

/** Where the unpacked wheel lies: a folder like site-packages, with `torch` and `nvidia`. */
export function wheelDir(): string {
  return join(torchCache(), 'wheel');
}

/**
 * The source that TRISTAGE_TORCH_SOURCE asks for, `auto` when it is not set.
 * @throws TristageError E_TORCH_SOURCE for any other word
 */
export function requestedSource(): TorchSource {
  const asked = process.env['TRISTAGE_TORCH_SOURCE'];
  if (asked === undefined || asked === '') return 'auto';
  const known: readonly TorchSource[] = ['auto', 'dir', 'python', 'debian', 'pip'];
  const match = known.find((source) => source === asked);
  if (match !== undefined) return match;
  throw new TristageError({
    kind: 'environment',
    code: 'E_TORCH_SOURCE',
    message: 'TRISTAGE_TORCH_SOURCE names no source of libtorch',
    found: asked,
    expected: known.join(', '),
    fix: 'unset TRISTAGE_TORCH_SOURCE or set it to one of these',
  });
}

/** Version by the headers, or undefined when a needed header is absent. */
function headerVersion(include: string): string | undefined {
  if (!existsSync(join(include, 'ATen/core/dispatch/Dispatcher.h'))) return undefined;
  for (const header of VERSION_HEADERS) {
    const path = join(include, header);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, 'utf8');
    const part = (name: string) => new RegExp(`#define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1];
    const [major, minor, patch] = [part('MAJOR'), part('MINOR'), part('PATCH')];
    if (major !== undefined && minor !== undefined && patch !== undefined) return `${major}.${minor}.${patch}`;
  }
  return undefined;
}

/** Whether libc10 exports functions that take C++11 strings. */
function usesCxx11Abi(libDir: string): boolean {
  return readFileSync(join(libDir, 'libc10.so')).includes('torchCheckFailEPKcS2_jRKNSt7__cxx11');
}

interface Candidate {
  source: TorchInstall['source'];
  dir: string;
  lib: string;
  include: string;
}

/** A complete install, or the reason why it is none. */
function inspect({ source, dir, lib, include }: Candidate): TorchInstall | string {
  for (const name of ['libtorch_cpu.so', 'libc10.so']) {
    if (!existsSync(join(lib, name))) return `no ${join(lib, name)}`;
  }
  const version = headerVersion(include);
  if (version === undefined) return `no headers of libtorch in ${include}`;
  const libDir = dirname(realpathSync(join(lib, 'libtorch_cpu.so')));
  const includeDirs = [include, join(include, API_HEADERS)];
  return { source, dir, libDir, includeDirs, version, cxx11Abi: usesCxx11Abi(libDir) };
}

function packageCandidate(source: TorchInstall['source'], dir: string): Candidate {
  return { source, dir, lib: join(dir, 'lib'), include: join(dir, 'include') };
}

const ASK_PYTHON = `
import importlib.util
spec = importlib.util.find_spec("torch")
print("\\n".join(spec.submodule_search_locations or []) if spec else "")
`;

async function pythonCandidates(): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const python of everyPython()) {
    // find_spec looks the package up without importing it, which would take seconds.
    const { status, stdout } = await runCommand(python, ['-c', ASK_PYTHON]);
    if (status !== 0) continue;
    for (const dir of stdout.split('\n').filter((line) => line !== '')) found.push(packageCandidate('python', dir));
  }
  return found;
}

async function candidates(source: Exclude<TorchSource, 'auto'>): Promise<Candidate[]> {
  const named = process.env['TRISTAGE_TORCH_DIR'];
  switch (source) {
    case 'dir':
      return named === undefined || named === '' ? [] : [packageCandidate('dir', resolve(named))];
    case 'python':
      return pythonCandidates();
    case 'debian':
      return [{ source, dir: '/usr', lib: DEBIAN_LIB, include: DEBIAN_INCLUDE }];
    case 'pip':
      return [packageCandidate('pip', join(wheelDir(), 'torch'))];
  }
}

export interface TorchSearch {
  found?: TorchInstall;
  /** Every place looked at and why it does not serve. */
  rejected: string[];
}

/**
 * Looks for a libtorch on this machine; downloads nothing.
 * @throws TristageError E_TORCH_DIR when TRISTAGE_TORCH_DIR is set but holds none
 */
export async function findTorch(source: TorchSource): Promise<TorchSearch> {
  const rejected: string[] = [];
  const order: Exclude<TorchSource, 'auto'>[] = source === 'auto' ? ['dir', 'python', 'debian', 'pip'] : [source];
  for (const each of order) {
    const all = await candidates(each);
    if (all.length === 0) rejected.push(`${each}: none`);
    for (const candidate of all) {
      const result = inspect(candidate);
      if (typeof result !== 'string') return { found: result, rejected };
      if (each === 'dir') throw wrongDir(candidate.dir, result);
      rejected.push(`${each}: ${result}`);
    }
  }
  return { rejected };
}

function wrongDir(dir: string, found: string): TristageError {
  return new TristageError({
    kind: 'environment',
    code: 'E_TORCH_DIR',
    message: 'TRISTAGE_TORCH_DIR does not hold a libtorch',
    where: dir,
    found,
    expected: 'lib/libtorch_cpu.so, lib/libc10.so and include/ATen, as in site-packages/torch or an unpacked libtorch',
    fix: 'name such a folder, or unset TRISTAGE_TORCH_DIR and run tristage setup',
  });
}

/** What tells one state of an installed library from another: path, size and time of libtorch_cpu.so. */
export function fingerprint(install: Pick<TorchInstall, 'libDir'>): string {
  const path = join(install.libDir, 'libtorch_cpu.so');
  const { size, mtimeMs } = statSync(path);
  return `${path}:${size}:${Math.floor(mtimeMs)}`;
}
