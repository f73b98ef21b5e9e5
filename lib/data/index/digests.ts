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
  try {
    const name = belowRoot(path, root);
    // Files in a folder change without a trace on the folder.
    if ((await stat(path)).isDirectory()) return { path: name, ...(await listedDigest(path)), sampled: true };
    return { path: name, ...(await remembered('content', path, contentDigest)) };
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

async function contentDigest(path: string): Promise<Omit<InputDigest, 'path'>> {
  if (TAR.test(path)) return { ...(await sampledDigest(path)), sampled: true };
  const { hash, bytes } = await sha256File(path);
  return { bytes, sha256: hash };
}

const SETTLED_MS = 2000;

/** Answers of this process, each with what the file system said of the file then. */
const answers = new Map<string, { seen: string; answer: Promise<unknown> }>();

/**
 * Asks once for each file: lines of a mixture share files. The time of the last change of a file's entry, which nobody can set, tells
 * whether an answer still holds; between processes only content counts.
 */
async function remembered<T>(what: string, path: string, ask: (path: string) => Promise<T>): Promise<T> {
  const { size, ino, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true });
  // Within one tick of the file system's clock another change would not show.
  if (Date.now() - Number(ctimeMs) < SETTLED_MS) return ask(path);
  const seen = [size, ino, mtimeNs, ctimeNs].join();
  const known = answers.get(`${what} ${path}`);
  if (known?.seen === seen) return known.answer as Promise<T>;
  const answer = ask(path);
  answers.set(`${what} ${path}`, { seen, answer });
  answer.catch(() => answers.delete(`${what} ${path}`));
  return answer;
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
  const names = await remembered('names', join(root, path), namesIn).catch(() => []);
  return { path, entries: names.length, sha256: sha256(names.join('\n')) };
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => (entry.isFile() ? IMAGE.test(entry.name) : isData(join(folder, entry.name))))
    .map((entry) => (entry.isFile() ? entry.name : `${entry.name}/`))
    .sort();
}

/** An index may lie within the data that it is of, hidden folders are nobody's data. */
function isData(folder: string): boolean {
  return !/(^|\/)\.[^/]*$|\.partial$/.test(folder) && !existsSync(join(folder, MANIFEST));
}
