/** Digests of what an index was made from, by content: neither times nor places count. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256, sha256File } from '../../core/hash.ts';
import { openByteFile } from '../../formats/file-bytes.ts';
import { belowRoot } from '../open-rows.ts';
import { type FolderDigest, type InputDigest, MANIFEST } from './manifest.ts';

const TAR = /\.(tar|tar\.gz|tgz)$/i;
const IMAGE = /\.(jpe?g|png|gif|webp|tiff?|avif|bmp)$/i;
/** Of each end of a large file. */
const END_BYTES = 1 << 16;
/** Further samples, evenly spread. */
const INNER_SAMPLES = 4;

/**
 * Digests an input file: whole, but of a tar its size, its ends and a few samples, since the images in it may be terabytes.
 * @throws TristageError E_FILE_READ, or the file system's own error
 */
export async function digestInput(path: string, root: string): Promise<InputDigest> {
  const name = belowRoot(path, root);
  if (TAR.test(path)) return { path: name, ...(await sampledDigest(path)), sampled: true };
  const { hash, bytes } = await sha256File(path);
  return { path: name, bytes, sha256: hash };
}

async function sampledDigest(path: string): Promise<{ bytes: number; sha256: string }> {
  const file = await openByteFile(path);
  try {
    const { size } = file;
    const hash = createHash('sha256').update(`${size}\n`);
    const length = Math.min(END_BYTES, size);
    const inner = Array.from({ length: INNER_SAMPLES }, (_, place) =>
      Math.floor(((size - length) * (place + 1)) / (INNER_SAMPLES + 1)),
    );
    for (const at of [0, ...inner, size - length]) hash.update(await file.read(at, length));
    return { bytes: size, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
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
