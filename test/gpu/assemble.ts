/** The content of the archive in a folder, all but Node.js itself. */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../lib/core/paths.ts';
import { bundle } from './bundle.ts';
import { PARITY_FIXTURES } from './parts/parity.ts';

export interface Assembly {
  /** Where to; made here. */
  folder: string;
  /** Folder with the addon and its record. */
  addon: string;
  /** Where the two files go that a user starts; an existing folder. */
  launcher: string;
}

/** Writes the bundle, the addon, the PyTorch side and the fixtures. */
export async function assemble({ folder, addon, launcher }: Assembly): Promise<void> {
  const test = join(packageRoot(), 'test');
  const gpu = import.meta.dirname;
  const python = join(folder, 'python');
  await mkdir(python, { recursive: true });
  await bundle(join(folder, 'main.mjs'));
  for (const name of ['tristage-torch.node', 'addon.json']) await cp(join(addon, name), join(folder, name));
  await cp(join(gpu, 'python', 'reference.py'), join(python, 'reference.py'));
  for (const name of ['ops.py', 'peer.py', 'step.py']) await cp(join(test, 'bench', name), join(python, name));
  for (const name of PARITY_FIXTURES) {
    await cp(join(test, 'parity', 'fixtures', name), join(folder, 'fixtures', name), { recursive: true });
  }
  await cp(join(gpu, 'run.sh'), join(launcher, 'run.sh'));
  await cp(join(gpu, 'python', 'launch.py'), join(launcher, 'launch.py'));
}
