/** `tristage init`: three commented run files to start from. */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { packageRoot } from '../core/paths.ts';

const FILES = ['stage1.yaml', 'stage2.yaml', 'stage3.yaml'] as const;

/**
 * Writes the run files of three stages into a folder, which is made where it does not exist.
 * @returns the files
 * @throws TristageError E_OUT_EXISTS when one of them is there already, E_OUT when the folder cannot be written; nothing is
 *   overwritten
 */
export async function initRunFiles(folder: string): Promise<string[]> {
  const there = FILES.filter((name) => existsSync(join(folder, name)));
  if (there.length > 0) {
    throw new TristageError({
      kind: 'usage',
      code: 'E_OUT_EXISTS',
      message: 'run files are there already',
      where: folder,
      found: there.join(', '),
      expected: `a folder without ${FILES.join(', ')}`,
      fix: 'choose another folder; nothing was changed',
    });
  }
  const configs = join(packageRoot(), 'configs');
  const schema = relative(resolve(folder), join(configs, 'schema/run.schema.json')).split(sep).join('/');
  const paths: string[] = [];
  try {
    await mkdir(folder, { recursive: true });
    for (const name of FILES) {
      const text = await readFile(join(configs, 'init', name), 'utf8');
      const path = join(folder, name);
      await writeFile(
        path,
        text.replace(/\$schema=\S+/, () => `$schema=${schema}`),
        { flag: 'wx' },
      );
      paths.push(path);
    }
  } catch (error) {
    throw new TristageError({
      kind: 'usage',
      code: 'E_OUT',
      message: 'the run files cannot be written',
      where: folder,
      found: (error as NodeJS.ErrnoException).code ?? String(error),
      expected: 'a folder, or a name that is free',
      fix: 'choose another folder',
      cause: error,
    });
  }
  return paths;
}
