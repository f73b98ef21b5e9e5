/** A Python with webdataset and Pillow: one that has them, or an environment in the cache that pip fills. */

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../../../core/errors.ts';
import { cacheDir } from '../../../core/paths.ts';
import { everyPython, runCommand } from '../../../engine/toolchain.ts';

/** Pillow 13 resizes some shapes, such as 480 x 640 to a square, down first: other bytes than every version before it gives. */
const PACKAGES = ['webdataset', 'pillow<13', 'numpy', 'sentencepiece'] as const;
const IMPORTS =
  'import webdataset, PIL.Image, numpy, sentencepiece; assert int(PIL.__version__.split(".")[0]) < 13, "Pillow 13"';

/**
 * Finds such a Python, or makes one.
 * @throws TristageError E_BENCH_PYTHON with the install command
 */
export async function pythonWithPillow(log?: (line: string) => void): Promise<string> {
  const folder = join(cacheDir(), 'bench-data-python');
  const own = join(folder, 'bin', 'python3');
  for (const python of [own, ...everyPython()]) {
    if ((await runCommand(python, ['-c', IMPORTS])).status === 0) return python;
  }
  log?.(`installing ${PACKAGES.join(', ')} into ${folder}`);
  const last = await install(folder, own);
  if (last === undefined) return own;
  if (existsSync(folder)) await rm(folder, { recursive: true });
  throw new TristageError({
    kind: 'environment',
    code: 'E_BENCH_PYTHON',
    message: 'the benchmark needs a Python with webdataset and Pillow',
    found: last,
    expected: 'a python3 that imports webdataset, numpy, sentencepiece and Pillow before 13',
    fix: `python3 -m venv ENV && ENV/bin/pip install ${PACKAGES.map((name) => `'${name}'`).join(' ')}, and put ENV/bin first on PATH`,
  });
}

/** @returns the last words of the step that failed */
async function install(folder: string, own: string): Promise<string | undefined> {
  const [python] = everyPython();
  if (python === undefined) return 'no python3';
  const steps: [string, string[]][] = [
    [python, ['-m', 'venv', '--clear', folder]],
    [own, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]],
    [own, ['-c', IMPORTS]],
  ];
  for (const [program, args] of steps) {
    const { status, stdout, stderr } = await runCommand(program, args);
    if (status !== 0) return `${stderr}\n${stdout}`.trim().split('\n').slice(-2).join('\n');
  }
  return undefined;
}
