/** The pip wheel of torch in the cache: what a C++ program needs of it, without root and without touching any Python. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { requirePip, runCommand } from '../toolchain.ts';
import { torchCache, wheelDir } from './find.ts';

/** Versions of the wheel that the addon's source is written for. */
const TORCH_REQUIREMENT = 'torch>=2.6,<3';

/**
 * Unpacks a wheel: only members that match a pattern, then prints the CUDA libraries that libtorch_cpu.so asks for.
 * Python does it because a wheel is a zip and pip guarantees a Python.
 */
const UNPACK = `
import mmap, os, re, sys, zipfile
wheel, target, keep, drop = sys.argv[1:5]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if re.search(keep, name) and not re.search(drop, name):
            archive.extract(name, target)
library = os.path.join(target, "torch/lib/libtorch_cpu.so")
if os.path.exists(library):
    with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for need in sorted(set(re.findall(rb"\\0lib(cudart|cupti)\\.so\\.(\\d+)", data[:]))):
            print(need[0].decode(), need[1].decode())
`;

/** A Python with pip, and where progress goes. */
export interface Pip {
  python: string;
  log: (line: string) => void;
}

/**
 * Downloads one wheel into an empty folder.
 * @param options.more further arguments of pip
 * @returns its path
 * @throws TristageError E_PIP_DOWNLOAD
 */
export async function downloadWheel(
  { python, log }: Pip,
  options: { requirement: string; folder: string; more?: readonly string[] },
): Promise<string> {
  const { requirement, folder, more = [] } = options;
  log(`downloading ${requirement} with pip`);
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--dest', folder, ...more, requirement];
  const result = await runCommand(python, args);
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl'));
  if (result.status === 0 && wheels.length === 1) return join(folder, wheels[0]!);
  throw new TristageError({
    kind: 'environment',
    code: 'E_PIP_DOWNLOAD',
    message: `pip could not download ${requirement}`,
    found: result.stderr.trim().split('\n').slice(-3).join(' '),
    fix: `check the network and pip's settings, or install torch and set TRISTAGE_TORCH_DIR to its folder`,
  });
}

interface Unpacking {
  wheel: string;
  target: string;
  /** Regular expressions over the names of members. */
  keep: string;
  drop: string;
}

/**
 * Unpacks the members of a wheel that are asked for.
 * @returns the CUDA libraries that libtorch_cpu.so asks for, one a line, where it is among them
 * @throws TristageError E_PIP_DOWNLOAD
 */
export async function unpackWheel(
  { python }: Pick<Pip, 'python'>,
  { wheel, target, keep, drop }: Unpacking,
): Promise<string> {
  const result = await runCommand(python, ['-c', UNPACK, wheel, target, keep, drop]);
  if (result.status === 0) return result.stdout;
  throw new TristageError({
    kind: 'environment',
    code: 'E_PIP_DOWNLOAD',
    message: 'the downloaded wheel could not be unpacked',
    where: wheel,
    found: result.stderr.trim().split('\n').slice(-1).join(''),
    fix: 'free some disk space (2 GB) in the cache folder and run the setup again',
  });
}

/** The package that holds a CUDA library: from CUDA 13 on, names carry no version. */
function nvidiaRequirement(library: string, major: number): string {
  const name = library === 'cudart' ? 'nvidia-cuda-runtime' : 'nvidia-cuda-cupti';
  return major >= 13 ? `${name}>=${major},<${major + 1}` : `${name}-cu${major}`;
}

/** torch/lib without CUDA kernels and the Python binding, the headers, and the two CUDA libraries it is linked with. */
async function fetchForCpu(pip: Pip, target: string): Promise<void> {
  const wheels = join(target, 'wheels');
  await mkdir(wheels);
  const torch = await downloadWheel(pip, { requirement: TORCH_REQUIREMENT, folder: wheels });
  const needs = await unpackWheel(pip, {
    wheel: torch,
    target,
    keep: '^torch/(lib/|include/|version\\.py$)',
    drop: '^torch/lib/.*(cuda|python|nvshmem|nvrtc|libshm)',
  });
  await rm(torch);
  for (const line of needs.split('\n').filter((text) => text !== '')) {
    const [library, major] = line.split(' ') as [string, string];
    const wheel = await downloadWheel(pip, { requirement: nvidiaRequirement(library, Number(major)), folder: wheels });
    await unpackWheel(pip, { wheel, target, keep: `lib/lib${library}\\.so`, drop: '^$' });
    await rm(wheel);
  }
  await rm(wheels, { recursive: true });
}

/** The whole of torch with its CUDA libraries, as pip installs it. */
async function fetchForCuda({ python, log }: Pip, target: string): Promise<void> {
  log(`installing ${TORCH_REQUIREMENT} with its CUDA libraries into the cache (several GB)`);
  const args = ['-m', 'pip', 'install', '--no-compile', '--only-binary=:all:', '--target', target, TORCH_REQUIREMENT];
  const result = await runCommand(python, args);
  if (result.status === 0) return;
  throw new TristageError({
    kind: 'environment',
    code: 'E_PIP_DOWNLOAD',
    message: `pip could not install ${TORCH_REQUIREMENT}`,
    found: result.stderr.trim().split('\n').slice(-3).join(' '),
    fix: `check the network, the disk and pip's settings, or install torch and set TRISTAGE_TORCH_DIR to its folder`,
  });
}

/**
 * Puts the wheel into the cache; the folder appears whole or not at all. Does nothing when it is there.
 * @param options.cuda fetch the CUDA kernels too
 * @throws TristageError E_PIP without pip, E_PIP_DOWNLOAD when the download fails
 */
export async function fetchTorchWheel(options: { cuda: boolean; log: (line: string) => void }): Promise<void> {
  const final = wheelDir();
  const marker = options.cuda ? 'complete-cuda' : 'complete';
  if (existsSync(join(final, marker)) || existsSync(join(final, 'complete-cuda'))) return;
  const { python } = await requirePip();
  await mkdir(torchCache(), { recursive: true });
  const target = await mkdtemp(join(torchCache(), '.wheel-'));
  try {
    const fetchInto = options.cuda ? fetchForCuda : fetchForCpu;
    await fetchInto({ python, log: options.log }, target);
    await writeFile(join(target, marker), '');
    await rm(final, { recursive: true, force: true });
    await rename(target, final);
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}
