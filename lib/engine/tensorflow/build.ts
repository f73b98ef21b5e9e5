/** Compiles tfjs-node-gpu's own binding sources against a TensorFlow library, straight into the cache. */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { packageRoot } from '../../core/paths.ts';
import { requireCompiler, runCommand } from '../toolchain.ts';
import { LIBRARIES, tensorflowCache } from './locate.ts';

const require = createRequire(import.meta.url);
/** tfjs-node-gpu 4.22 supports Node-API 3 to 8. */
const NODE_API_VERSION = 8;

/**
 * The folder of `@tensorflow/tfjs-node-gpu`.
 * @throws TristageError E_ENGINE_MISSING when the optional package is not installed
 */
export function nodePackage(): string {
  try {
    return dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  } catch (cause) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_ENGINE_MISSING',
      message: "the engine 'tensorflow' needs the optional npm package @tensorflow/tfjs-node-gpu",
      fix: 'npm install --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0, then tristage setup --engine tensorflow',
      cause,
    });
  }
}

export interface Addon {
  /** tfjs_binding.node, linked with the TensorFlow library. */
  binding: string;
  /** stderr_guard.node, which keeps TensorFlow's start-up log off the terminal. */
  guard: string;
}

interface Sources {
  binding: string[];
  guard: string;
  includes: string[];
}

function sources(): Sources {
  const folder = nodePackage();
  const headers = dirname(require.resolve('node-api-headers/package.json'));
  const binding = readdirSync(join(folder, 'binding')).filter((name) => name.endsWith('.cc'));
  return {
    binding: binding.sort().map((name) => join(folder, 'binding', name)),
    guard: join(packageRoot(), 'lib/engine/native/stderr-guard.cc'),
    includes: [join(headers, 'include'), folder],
  };
}

/** Where the addon for this library and these sources lies, whether or not it is built: another input, another folder. */
export function addonFor(dir: string): Addon {
  const { binding, guard } = sources();
  const texts = [...binding, guard].map((path) => readFileSync(path, 'utf8'));
  const key = sha256([dir, process.arch, NODE_API_VERSION, ...texts].join('\0')).slice(0, 12);
  const folder = join(tensorflowCache(), `addon-${key}`);
  return { binding: join(folder, 'tfjs_binding.node'), guard: join(folder, 'stderr_guard.node') };
}

/** Whether both files of an addon exist. */
export function isBuilt(addon: Addon): boolean {
  return existsSync(addon.binding) && existsSync(addon.guard);
}

interface Compile {
  compiler: string;
  inputs: readonly string[];
  output: string;
  flags: readonly string[];
}

/** Compiles into a temporary name and renames, so that an interrupted build is not taken for a finished one. */
async function compile({ compiler, inputs, output, flags }: Compile): Promise<void> {
  mkdirSync(dirname(output), { recursive: true });
  const temporary = `${output}.${process.pid}.tmp`;
  const base = ['-O2', '-std=c++17', '-fPIC', '-shared', '-w', `-DNAPI_VERSION=${NODE_API_VERSION}`];
  const { status, stdout, stderr } = await runCommand(compiler, [...base, ...inputs, '-o', temporary, ...flags]);
  if (status === 0) {
    renameSync(temporary, output);
    return;
  }
  rmSync(temporary, { force: true });
  const lines = `${stderr}${stdout}`.split('\n');
  throw new TristageError({
    kind: 'environment',
    code: 'E_BUILD',
    message: `${compiler} could not build ${inputs.length > 1 ? "tfjs-node-gpu's binding" : inputs[0]}`,
    found: lines
      .filter((line) => /error|undefined reference|cannot find/i.test(line))
      .slice(0, 3)
      .join(' | '),
    expected: 'a compiler with C++17 and a TensorFlow library of 2.9 or newer',
    fix: 'use a TensorFlow wheel that this project was tested with (2.21), or a newer compiler (CXX names one)',
  });
}

/**
 * Builds the addon for the library in `dir`, unless it is there already.
 * @returns the addon, and whether anything was compiled
 * @throws TristageError E_ENGINE_MISSING, E_COMPILER, E_BUILD
 */
export async function buildAddon(dir: string): Promise<{ addon: Addon; built: boolean }> {
  const addon = addonFor(dir);
  if (isBuilt(addon)) return { addon, built: false };
  const compiler = (await requireCompiler()).path;
  const { binding, guard, includes } = sources();
  const flags = includes.map((folder) => `-I${folder}`);
  await compile({ compiler, inputs: [guard], output: addon.guard, flags });
  const link = [`-I${join(dir, 'include')}`, `-L${dir}`, '-Xlinker', '-rpath', '-Xlinker', dir];
  const libraries = LIBRARIES.map((name) => `-l:${name}`);
  await compile({ compiler, inputs: binding, output: addon.binding, flags: [...flags, ...link, ...libraries] });
  return { addon, built: true };
}
