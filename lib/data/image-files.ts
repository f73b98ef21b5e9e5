/** The image files that words of a command line name: files, folders and patterns. */

import { type Stats, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import sharp from 'sharp';
import { escapePath, glob, isDynamicPattern } from 'tinyglobby';
import { TristageError } from '../core/errors.ts';

export interface ImageFiles {
  /** In the order of the words, those of one word by name; each file once. */
  files: string[];
  /** Whether more than one file could have been meant: two words, a folder or a pattern. */
  several: boolean;
}

const OF_FOLDER = '*.{jpg,jpeg,png,webp,gif,tif,tiff,avif}';

/**
 * What is a file by that name is that file, whatever characters it has; a folder gives the images in it, not in folders below;
 * `*`, `?`, `**`, `[a-c]` and `{a,b}` match names. A name that is nowhere stays in the list, so that reading it says so.
 * @throws TristageError E_IMAGE for a folder or pattern without any image
 */
export async function imageFiles(words: readonly string[]): Promise<ImageFiles> {
  const files = new Map<string, string>();
  let several = words.length > 1;
  for (const word of words) {
    const kind = kindOf(word);
    several ||= kind !== 'file';
    const found =
      kind === 'file' ? [word] : await matches(kind === 'folder' ? join(escapePath(word), OF_FOLDER) : word);
    if (found.length === 0) throw nothingThere(word, kind);
    for (const file of found) if (!files.has(resolve(file))) files.set(resolve(file), file);
  }
  return { files: [...files.values()], several };
}

function kindOf(word: string): 'file' | 'folder' | 'pattern' {
  const stat = statOf(word);
  if (stat?.isDirectory()) return 'folder';
  return stat === undefined && isDynamicPattern(word) ? 'pattern' : 'file';
}

/** What lies at a path; undefined where nothing can be found out, which reading it will say. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

async function matches(pattern: string): Promise<string[]> {
  const found = await glob(pattern, {
    absolute: isAbsolute(pattern),
    caseSensitiveMatch: false,
    expandDirectories: false,
  });
  return found.sort();
}

function nothingThere(word: string, kind: 'file' | 'folder' | 'pattern'): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_IMAGE',
    message: 'there is no image',
    where: word,
    found: kind === 'folder' ? 'a folder without images' : 'no file that matches',
    expected: kind === 'folder' ? `files such as ${OF_FOLDER}` : 'at least one file',
    fix: 'check the path; in a shell, patterns for --image stand in quotes',
  });
}

/**
 * Whether a file asks for rotation or mirroring before it is shown (EXIF orientation 2 to 8). Training and prediction look at the
 * pixels as they are stored.
 */
export async function asksForRotation(path: string): Promise<boolean> {
  const { orientation = 1 } = await sharp(path).metadata();
  return orientation > 1;
}
