/** Fetches a TensorFlow wheel by pip and keeps of it what C++ needs: two libraries and the headers of the C API. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { publishDirAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';
import { hasNvidiaGpu, type Pip, requirePip, runCommand } from '../toolchain.ts';
import { LIBRARIES, missingParts, type TensorflowLibrary, tensorflowCache } from './locate.ts';

/** The version that this project was tested with. */
const VERSION = '2.21.0';
/** A Python for which that version has a wheel, asked for where the machine's own Python has none. */
const WHEEL_PYTHON = '3.12';

/** The wheel for this machine: only the full one serves CUDA, and only x86-64 has a smaller one without. */
export function wheelName(): 'tensorflow' | 'tensorflow-cpu' {
  return hasNvidiaGpu() || process.arch !== 'x64' ? 'tensorflow' : 'tensorflow-cpu';
}

/** Unpacks the entries of a wheel whose names match a pattern: argv = wheel, folder, pattern. */
const UNPACK = `
import re, sys, zipfile
wheel, folder, pattern = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
archive.extractall(folder, [name for name in archive.namelist() if re.search(pattern, name)])
`;

const LIBRARY_ENTRIES = [
  `^tensorflow/(${LIBRARIES.map((name) => name.replaceAll('.', '\\.')).join('|')})$`,
  '^tensorflow/include/tensorflow/(c|core/platform)/.*\\.h$',
  '^tensorflow/include/(xla/)?tsl/(c|platform)/.*\\.h$',
  '\\.dist-info/(METADATA|LICENSE)$',
].join('|');

interface Download {
  pip: Pip;
  requirements: readonly string[];
  folder: string;
}

/** Downloads wheels without their dependencies; where the machine's Python is too new or old, another Python's wheels. */
async function download({ pip, requirements, folder }: Download): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const base = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', folder];
  const machine = process.arch === 'x64' ? 'x86_64' : 'aarch64';
  const platforms = ['manylinux_2_27', 'manylinux_2_17', 'manylinux2014'].flatMap((tag) => [
    '--platform',
    `${tag}_${machine}`,
  ]);
  const otherPython = ['--python-version', WHEEL_PYTHON, '--implementation', 'cp', ...platforms];
  let result = await runCommand(pip.python, [...base, ...requirements]);
  if (result.status !== 0) result = await runCommand(pip.python, [...base, ...otherPython, ...requirements]);
  if (result.status === 0) return readdirSync(folder).map((name) => join(folder, name));
  throw new TristageError({
    kind: 'environment',
    code: 'E_FETCH',
    message: `pip could not download ${requirements.join(' ')}`,
    found: result.stderr.trim().split('\n').slice(-3).join(' '),
    fix: 'check the network and pip settings, or set TRISTAGE_TENSORFLOW_DIR to the folder tensorflow of an unpacked wheel',
  });
}

/** The CUDA libraries that a wheel's metadata names under its extra `and-cuda`, as pip requirements. */
export function cudaRequirements(metadata: string): string[] {
  return metadata
    .split('\n')
    .map((line) => /^Requires-Dist: (nvidia-[^;]+?)\s*;\s*extra == ["']and-cuda["']/.exec(line)?.[1])
    .filter((requirement) => requirement !== undefined)
    .filter((requirement) => !requirement.startsWith('nvidia-cuda-nvcc'));
}

async function unpack(pip: Pip, args: { wheel: string; folder: string; pattern: string }): Promise<void> {
  const { status, stderr } = await runCommand(pip.python, ['-c', UNPACK, args.wheel, args.folder, args.pattern]);
  if (status === 0) return;
  throw new TristageError({
    kind: 'environment',
    code: 'E_FETCH',
    message: 'a downloaded wheel could not be unpacked',
    where: args.wheel,
    found: stderr.trim().split('\n').at(-1) ?? '',
    fix: 'make room in the cache folder (TRISTAGE_CACHE_DIR moves it) and run the set-up again',
  });
}

async function fill(pip: Pip, folder: string): Promise<void> {
  const downloads = mkdtempSync(join(tensorflowCache(), '.download-'));
  try {
    const [wheel] = await download({ pip, requirements: [`${wheelName()}==${VERSION}`], folder: join(downloads, 'a') });
    await unpack(pip, { wheel: wheel!, folder, pattern: LIBRARY_ENTRIES });
    if (hasNvidiaGpu()) {
      const info = readdirSync(folder).find((name) => name.endsWith('.dist-info'));
      const metadata = info === undefined ? '' : readFileSync(join(folder, info, 'METADATA'), 'utf8');
      const requirements = cudaRequirements(metadata);
      const wheels =
        requirements.length === 0 ? [] : await download({ pip, requirements, folder: join(downloads, 'b') });
      for (const cuda of wheels) await unpack(pip, { wheel: cuda, folder, pattern: '^nvidia/.*\\.so(\\.\\d+)*$' });
    }
    const missing = missingParts(join(folder, 'tensorflow'));
    if (missing.length > 0) {
      throw new TristageError({
        kind: 'environment',
        code: 'E_FETCH',
        message: 'the downloaded wheel lacks parts of the TensorFlow library',
        where: wheel!,
        found: `no ${missing.join(', no ')}`,
        fix: 'report this with the version of pip and of Python',
      });
    }
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
}

/**
 * Downloads the wheel into the cache. An interrupted fetch leaves nothing that a later one would take for whole.
 * @throws TristageError E_PIP, E_FETCH
 */
export async function fetchTensorflow(): Promise<TensorflowLibrary> {
  const pip = await requirePip();
  await mkdir(tensorflowCache(), { recursive: true });
  const folder = join(tensorflowCache(), `${wheelName()}-${VERSION}`);
  if (!existsSync(folder) || missingParts(join(folder, 'tensorflow')).length > 0) {
    await publishDirAtomic(folder, (temporary) => fill(pip, temporary));
  }
  return { dir: join(folder, 'tensorflow'), source: 'pip' };
}
