/** Pages that a command writes: an earlier one is replaced, any other file is not. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { writeFileAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { GENERATOR } from '../report/html/document.ts';

/**
 * Refuses a name that something else has.
 * @throws TristageError E_OUT_FOREIGN
 */
export function checkPageFile(path: string, option: string): void {
  if (!existsSync(path)) return;
  const stat = statSync(path);
  if (stat.isFile() && readFileSync(path, 'utf8').slice(0, 1000).includes(GENERATOR)) return;
  throw new TristageError({
    kind: 'usage',
    code: 'E_OUT_FOREIGN',
    message: 'the page cannot be written over what is there',
    where: path,
    found: stat.isFile() ? 'a file that no tristage wrote' : 'a folder',
    expected: 'a free name, or an earlier page',
    fix: `choose another ${option}`,
  });
}

/** Writes a page whole or not at all. @returns its bytes */
export async function writePageFile(path: string, text: string): Promise<number> {
  await writeFileAtomic(path, text);
  return Buffer.byteLength(text);
}
