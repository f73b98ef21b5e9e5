/** Finding a published file that goes by several names and lies in one of a few folders. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { emptySource } from '../lib/data/source.ts';

export interface FileSearch {
  /** Of the source, for errors. */
  source: string;
  root: string;
  /** Known names; the first that is there counts. */
  names: readonly string[];
  /** Below root; default: `annotations`, then root itself. */
  folders?: readonly string[];
}

/**
 * The file that is there.
 * @throws TristageError E_SOURCE that lists the names, when none is
 */
export async function publishedFile({
  source,
  root,
  names,
  folders = ['annotations', '.'],
}: FileSearch): Promise<string> {
  for (const folder of folders) {
    const there = new Set(await readdir(join(root, folder)).catch(() => []));
    const known = names.find((name) => there.has(name));
    if (known !== undefined) return join(root, folder, known);
  }
  const below = folders.filter((folder) => folder !== '.');
  throw emptySource(source, {
    where: root,
    found: 'no annotation file that is known',
    expected: `one of ${names.join(', ')} in this folder${below.length > 0 ? ` or in ${below.join(', ')}` : ''}`,
  });
}
