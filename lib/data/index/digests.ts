/** Digests of what an index was made from, by content: neither times nor places count. */

import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { sampledDigest, sha256, sha256File } from '../../core/hash.ts';
import { belowRoot } from '../open-rows.ts';
import { type FolderDigest, type InputDigest, MANIFEST } from './manifest.ts';

const TAR = /\.(tar|tar\.gz|tgz)$/i;
const IMAGE = /\.(jpe?g|png|gif|webp|tiff?|avif|bmp)$/i;
/**
 * Digests an input file: whole, but of a tar its size, its ends and a few samples, since the images in it may be terabytes; of a
 * folder the names and sizes of its files, since there may be tens of thousands.
 * @throws TristageError E_FILE_READ
 */
export async function digestInput(path: string, root: string): Promise<InputDigest> {
  const name = belowRoot(path, root);
  try {
    if (TAR.test(path)) return { path: name, ...(await sampledDigest(path)), sampled: true };
    if ((await stat(path)).isDirectory()) return { path: name, ...(await listedDigest(path)), sampled: true };
    const { hash, bytes } = await sha256File(path);
    return { path: name, bytes, sha256: hash };
  } catch (error) {
    throw new TristageError({
      kind: 'data',
      code: 'E_FILE_READ',
      message: 'the file cannot be read',
      where: path,
      found: (error as NodeJS.ErrnoException).code ?? String(error),
      expected: 'a readable file',
      fix: 'check root and the options of the source that name files',
      cause: error,
    });
  }
}

async function listedDigest(folder: string): Promise<{ bytes: number; sha256: string }> {
  const names = (await readdir(folder)).sort();
  let bytes = 0;
  const lines: string[] = [];
  for (const name of names) {
    const { size } = await stat(join(folder, name));
    bytes += size;
    lines.push(`${name}\t${size}`);
  }
  return { bytes, sha256: sha256(lines.join('\n')) };
}

/**
 * Digests the names of the images and folders in a folder: an image that is added or taken away shows, its content does not.
 * @param path relative to the root
 */
export async function digestFolder(path: string, root: string): Promise<FolderDigest> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => (entry.isFile() ? IMAGE.test(entry.name) : isData(join(root, path, entry.name))))
    .map((entry) => (entry.isFile() ? entry.name : `${entry.name}/`))
    .sort();
  return { path, entries: names.length, sha256: sha256(names.join('\n')) };
}

/** An index may lie within the data that it is of, hidden folders are nobody's data. */
function isData(folder: string): boolean {
  return !/(^|\/)\.[^/]*$|\.partial$/.test(folder) && !existsSync(join(folder, MANIFEST));
}
