/** A Python with peft, transformers and torch: one that is there, or a virtual environment in the cache. */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from '../../lib/core/paths.ts';
import { everyPython, requirePip, runCommand } from '../../lib/engine/toolchain.ts';

const PACKAGES = ['torch', 'transformers', 'peft', 'safetensors'];

function venvPython(): string {
  return join(cacheDir(), 'interop-venv', 'bin', 'python');
}

/** Whether a Python can load exports: transformers before version 4 or beside a torch before version 2 cannot. */
async function canLoad(python: string): Promise<boolean> {
  const test =
    'import peft, transformers, torch, safetensors.torch; transformers.LlamaForCausalLM; assert torch.__version__ >= "2"';
  return (await runCommand(python, ['-c', test])).status === 0;
}

/** A Python that can load exports, or undefined where none is there; installs nothing. */
export async function exportPython(): Promise<string | undefined> {
  const named = process.env['TRISTAGE_INTEROP_PYTHON'];
  const candidates = [...(named === undefined ? [] : [named]), ...[venvPython()].filter(existsSync), ...everyPython()];
  for (const python of candidates) if (await canLoad(python)) return python;
  return undefined;
}

/** Makes the virtual environment in the cache: several gigabytes, minutes. */
export async function installExportPython(log: (line: string) => void): Promise<string> {
  const { python } = await requirePip();
  const folder = join(cacheDir(), 'interop-venv');
  mkdirSync(cacheDir(), { recursive: true });
  for (const [program, ...args] of [
    [python, '-m', 'venv', folder],
    [venvPython(), '-m', 'pip', 'install', ...PACKAGES],
  ] as [string, ...string[]][]) {
    log([program, ...args].join(' '));
    const { status, stderr } = await runCommand(program, args);
    if (status !== 0) throw new Error(stderr);
  }
  return venvPython();
}
