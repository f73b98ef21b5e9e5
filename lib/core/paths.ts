/** Where the package lives and where it may keep what can be fetched or computed again. */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TristageError } from './errors.ts';

/**
 * The folder that holds this package's package.json, for the sources (lib/core) and for the build (dist/lib/core) alike.
 * @throws TristageError E_PACKAGE_ROOT when no folder above this file has one
 */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) {
      throw new TristageError({
        kind: 'environment',
        code: 'E_PACKAGE_ROOT',
        message: 'the folder of the package was not found',
        where: start,
        expected: 'a package.json in this folder or above it',
        fix: 'install the package again',
      });
    }
  }
}

/**
 * The cache folder (not created here): TRISTAGE_CACHE_DIR, else XDG_CACHE_HOME/tristage, else ~/.cache/tristage.
 * A relative XDG_CACHE_HOME is ignored, as the XDG base directory specification asks.
 * @param env environment variables, the process's own by default
 */
export function cacheDir(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const own = env['TRISTAGE_CACHE_DIR'];
  if (own !== undefined && own !== '') return resolve(own);
  const xdg = env['XDG_CACHE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'tristage');
  return join(homedir(), '.cache', 'tristage');
}
