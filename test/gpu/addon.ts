/** The addon of the archive, compiled here against the wheel of torch that CUDA hosts have; both stay in the cache. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../lib/core/hash.ts';
import { requireCompiler, requirePip, runCommand } from '../../lib/engine/toolchain.ts';
import type { AddonRecord } from '../../lib/engine/torch/binding.ts';
import { compileArguments, nativeDir, sourceHash } from '../../lib/engine/torch/build.ts';
import { downloadWheel, unpackWheel } from '../../lib/engine/torch/fetch.ts';
import { torchCache } from '../../lib/engine/torch/find.ts';

/** The wheel that the archive is made for: CUDA 13, manylinux_2_28. */
const TORCH = '2.11';
/** The wheel's variant is the same for every Python; this one is what hosts have. */
const TARGET = ['--python-version', '3.12', '--platform', 'manylinux_2_28_x86_64'];
const FLOOR = join(import.meta.dirname, 'floor.cpp');
/** The functions that floor.cpp gives in older versions. */
export const FLOOR_LINK = '-Wl,--wrap=pow,--wrap=dlopen,--wrap=dlerror';

type Log = (line: string) => void;

/** Headers of the wheel and the three libraries that the addon is linked with. */
async function fetchWheel(log: Log): Promise<string> {
  const final = join(torchCache(), `wheel-cuda-${TORCH}`);
  if (existsSync(final)) return final;
  const { python } = await requirePip();
  await mkdir(torchCache(), { recursive: true });
  const target = await mkdtemp(join(torchCache(), '.wheel-'));
  try {
    const folder = join(target, 'download');
    await mkdir(folder);
    const wheel = await downloadWheel({ python, log }, { requirement: `torch==${TORCH}.*`, folder, more: TARGET });
    const keep = '^torch/(lib/lib(torch_cpu|c10|gomp)[^/]*\\.so|include/|version\\.py$)';
    await unpackWheel({ python }, { wheel, target, keep, drop: 'libc10_cuda' });
    await rm(folder, { recursive: true });
    await rename(target, final);
  } finally {
    await rm(target, { recursive: true, force: true });
  }
  return final;
}

async function compile(compiler: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runCommand('nice', [compiler, ...args]);
  if (status !== 0) throw new Error(`the addon did not compile: ${stderr.trim().split('\n').slice(0, 8).join('\n')}`);
}

/**
 * Compiles the addon, one file after the other, or finds it in the cache.
 * @returns the folder with `tristage-torch.node` and its record
 */
export async function cudaAddon(log: Log): Promise<string> {
  const wheel = await fetchWheel(log);
  const lib = join(wheel, 'torch', 'lib');
  const version =
    /__version__ = '([0-9.]+)/.exec(await readFile(join(wheel, 'torch', 'version.py'), 'utf8'))?.[1] ?? TORCH;
  const compiler = await requireCompiler();
  const floor = await readFile(FLOOR, 'utf8');
  const key = sha256([sourceHash(), floor, FLOOR_LINK, version, compiler.version].join('\n')).slice(0, 16);
  const final = join(torchCache(), `addon-cuda-${key}`);
  if (existsSync(final)) return final;
  log(`compiling the addon for torch ${version} with ${compiler.version}`);
  const work = await mkdtemp(join(torchCache(), '.addon-'));
  try {
    const include = join(wheel, 'torch', 'include');
    const includeDirs = [include, join(include, 'torch/csrc/api/include')];
    const flags = compileArguments({ version, cxx11Abi: true, includeDirs });
    const units = (await readdir(nativeDir())).filter((name) => name.endsWith('.cpp'));
    const objects: string[] = [];
    for (const source of [FLOOR, ...units.map((name) => join(nativeDir(), name))]) {
      const object = join(work, `${objects.length}.o`);
      await compile(compiler.path, [...flags, '-fvisibility=hidden', '-c', source, '-o', object]);
      objects.push(object);
    }
    const gomp = (await readdir(lib)).find((name) => name.startsWith('libgomp'))!;
    // No path of this machine inside: the launcher names the folders of the host's torch.
    const link = [
      '-shared',
      '-s',
      '-Wl,-z,now',
      FLOOR_LINK,
      `-L${lib}`,
      '-ltorch_cpu',
      '-lc10',
      join(lib, gomp),
      '-ldl',
    ];
    await compile(compiler.path, [...objects, ...link, '-o', join(work, 'tristage-torch.node')]);
    for (const object of objects) await rm(object);
    const record: AddonRecord = { torchVersion: version, libDir: '', cxx11Abi: true, compiler: compiler.version };
    await writeFile(join(work, 'addon.json'), `${JSON.stringify(record, null, 2)}\n`);
    await rename(work, final);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return final;
}
