/** Compiles the addon against a libtorch, once for each combination of source, library and compiler. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { packageRoot } from '../../core/paths.ts';
import { type Compiler, requireCompiler, runCommand } from '../toolchain.ts';
import { type AddonRecord, RECORD_NAME } from './binding.ts';
import { fingerprint, type TorchInstall, torchCache } from './find.ts';

const ADDON_NAME = 'tristage-torch.node';

export interface BuiltAddon {
  path: string;
  /** False when it was there already. */
  built: boolean;
}

/** Folder of the C++ sources; the package ships them. */
export function nativeDir(): string {
  return join(packageRoot(), 'lib', 'engine', 'native');
}

/** Hash over the names and contents of the C++ sources and of the flags that do not depend on the machine. */
export function sourceHash(): string {
  const dir = nativeDir();
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(cpp|h|inc)$/.test(name))
    .sort();
  const parts = files.map((name) => `${name}\0${readFileSync(join(dir, name), 'utf8')}\0`);
  return sha256([...parts, ...COMMON_FLAGS].join('\n'));
}

const COMMON_FLAGS = [
  '-O3',
  '-fPIC',
  '-fopenmp',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-w',
  '-DNAPI_VERSION=8',
  '-DNODE_GYP_MODULE_NAME=tristage_torch',
];

function languageStandard(version: string): string {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 9) ? '-std=c++20' : '-std=c++17';
}

/** The wheel's own OpenMP runtime where it has one under a private name: a second runtime would be a second thread pool. */
function openmpLibrary(libDir: string): string {
  const own = readdirSync(libDir).find((name) => /^libgomp(-[0-9a-f]+)?\.so\.1/.test(name));
  return own !== undefined && libDir.includes('torch') ? join(libDir, own) : '-lgomp';
}

/** What every source is compiled with. */
export function compileArguments(install: Pick<TorchInstall, 'version' | 'cxx11Abi' | 'includeDirs'>): string[] {
  const nodeHeaders = join(dirname(createRequire(import.meta.url).resolve('node-api-headers')), 'include');
  return [
    languageStandard(install.version),
    ...COMMON_FLAGS,
    `-D_GLIBCXX_USE_CXX11_ABI=${install.cxx11Abi ? 1 : 0}`,
    `-I${nodeHeaders}`,
    ...install.includeDirs.map((dir) => `-I${dir}`),
  ];
}

function linkArguments(install: TorchInstall): string[] {
  // RPATH, not RUNPATH: another torch on LD_LIBRARY_PATH must not take the place of the one compiled against.
  // z now: a symbol that is missing is an error when the addon is loaded, not the end of the process later.
  return [
    '-shared',
    '-Wl,--disable-new-dtags',
    `-Wl,-rpath,${install.libDir}`,
    '-Wl,-z,now',
    `-L${install.libDir}`,
    '-ltorch_cpu',
    '-lc10',
    openmpLibrary(install.libDir),
    '-ldl',
  ];
}

async function run(compiler: Compiler, args: string[]): Promise<void> {
  const result = await runCommand(compiler.path, args);
  if (result.status === 0) return;
  const lines = result.stderr.split('\n').filter((line) => /error|undefined reference|cannot find/i.test(line));
  throw new TristageError({
    kind: 'environment',
    code: 'E_BUILD',
    message: 'the torch addon did not compile',
    where: compiler.version,
    found: (lines.length > 0 ? lines : result.stderr.trim().split('\n')).slice(0, 5).join('\n'),
    expected: 'a compiler that knows C++17 (C++20 for libtorch 2.9 and later) and OpenMP',
    fix: 'install g++ 10 or later, or set CXX to such a compiler',
  });
}

/**
 * Builds the addon in the cache, or finds it there.
 * @throws TristageError E_COMPILER without a compiler, E_BUILD when it fails
 */
export async function buildAddon(install: TorchInstall, log: (line: string) => void): Promise<BuiltAddon> {
  const compiler = await requireCompiler();
  const key = sha256([sourceHash(), install.version, fingerprint(install), compiler.version, process.arch].join('\n'));
  const folder = join(torchCache(), `addon-${key.slice(0, 16)}`);
  const path = join(folder, ADDON_NAME);
  if (existsSync(path)) return { path, built: false };
  log(`compiling the torch addon for libtorch ${install.version} with ${compiler.version}`);
  await mkdir(torchCache(), { recursive: true });
  const work = await mkdtemp(join(torchCache(), '.addon-'));
  try {
    const units = readdirSync(nativeDir()).filter((name) => name.endsWith('.cpp'));
    const objects = units.map((name) => join(work, `${name}.o`));
    const flags = compileArguments(install);
    await Promise.all(
      units.map((name, i) => run(compiler, [...flags, '-c', join(nativeDir(), name), '-o', objects[i]!])),
    );
    await run(compiler, [...objects, ...linkArguments(install), '-o', join(work, ADDON_NAME)]);
    await Promise.all(objects.map((object) => rm(object)));
    const { version: torchVersion, libDir, cxx11Abi } = install;
    const record: AddonRecord = { torchVersion, libDir, cxx11Abi, compiler: compiler.version };
    await writeFile(join(work, RECORD_NAME), `${JSON.stringify(record, null, 2)}\n`);
    await publish(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { path, built: true };
}

/** Gives the folder its final name; when another process was first, its equal result stays. */
async function publish(work: string, folder: string): Promise<void> {
  try {
    await rename(work, folder);
  } catch (error) {
    if (!existsSync(join(folder, ADDON_NAME))) throw error;
  }
}
