/** Where the images of a source lie: one folder or several, listed once; what is missing is counted, and too much of it refused. */

import { readdir } from 'node:fs/promises';
import { basename, relative, resolve } from 'node:path';
import { z } from 'zod';
import { TristageError } from '../lib/core/errors.ts';
import type { RowFile, RowScan } from '../lib/data/row-source.ts';

/** A publisher's set is whole, so more than a tenth is a folder that is not there and not wear. */
const MOST_MISSING = 0.1;
/** Most names that an error spells out. */
const NAMED = 3;

/** Options of every source whose images lie in folders. */
export function imageOptions(usual: string) {
  return {
    images: z
      .array(z.string().min(1).meta({ path: true }))
      .min(1)
      .optional()
      .describe(`Image folders, relative to root or absolute. Default: ${usual}.`)
      .meta({ path: true }),
    missing: z
      .number()
      .min(0)
      .max(1)
      .default(MOST_MISSING)
      .describe('Largest share of rows whose image may be missing; with more the source is refused.'),
  };
}

/** Image folders that exist, and their files by name. */
export interface ImageFolders {
  readonly folders: readonly { path: string; files: number }[];
  /** The path of the first of these names that any folder has; folders in names are ignored. */
  find(names: readonly string[]): string | undefined;
}

/**
 * Lists image folders once.
 * @param root folder of the data set
 * @param folders relative to the root, or absolute; earlier ones win where two have a name
 */
export async function openImageFolders(root: string, folders: readonly string[]): Promise<ImageFolders> {
  const found: { path: string; files: number }[] = [];
  const folderOf = new Map<string, string>();
  for (const path of new Set(folders.map((folder) => resolve(root, folder)))) {
    const names = (await readdir(path).catch(() => [])).filter((name) => /\.(jpe?g|png|gif|webp)$/i.test(name));
    if (names.length > 0) found.push({ path, files: names.length });
    for (const name of names) if (!folderOf.has(name)) folderOf.set(name, path);
  }
  return {
    folders: found,
    find(names) {
      for (const name of names) {
        const file = basename(name);
        const folder = folderOf.get(file);
        if (folder !== undefined) return `${folder}/${file}`;
      }
      return undefined;
    },
  };
}

/** A set of images that must not be used. */
export interface ExcludedImages {
  has(names: readonly string[], cocoId: number | undefined): boolean;
}

/** Gives rows their images and keeps count. */
export interface Photos {
  /**
   * The image of a row, or undefined, which is then rejected as missing or excluded.
   * @param row names it may have, COCO's id where it is a COCO image, and the row's name for people
   */
  take(row: { names: readonly string[]; cocoId?: number | undefined; where: string }): RowFile | undefined;
  /** @throws TristageError E_SOURCE when more rows lack their image than `missing` allows; called after the last row */
  check(): void;
}

export interface PhotosRequest {
  /** Name of the source. */
  source: string;
  root: string;
  folders: ImageFolders;
  /** See `imageOptions`. */
  missing: number;
  excluded?: ExcludedImages | undefined;
  scan: RowScan;
}

/** Starts counting for one pass over the rows of a source. */
export function photosOf({ source, root, folders, missing, excluded, scan }: PhotosRequest): Photos {
  let rows = 0;
  let absent = 0;
  const named: string[] = [];
  return {
    take({ names, cocoId, where }) {
      if (excluded?.has(names, cocoId)) {
        scan.reject('excluded image', names[0] ?? where);
        return undefined;
      }
      rows += 1;
      const path = folders.find(names);
      if (path !== undefined) return { file: relative(resolve(root), path) };
      absent += 1;
      if (named.length < NAMED) named.push(names[0] ?? '');
      scan.reject('missing image', names[0] ?? where);
      return undefined;
    },
    check() {
      if (absent <= missing * rows) return;
      const listed = folders.folders.map(({ path, files }) => `${files} images in ${path}`).join(', ');
      throw new TristageError({
        kind: 'data',
        code: 'E_SOURCE',
        message: `source ${source} lacks images`,
        where: root,
        found: `${absent} of ${rows} rows without an image, such as ${named.join(', ')}; ${listed || 'no image folder'}`,
        expected: `at most ${missing} of the rows`,
        fix: 'name the image folders with `images`, or allow more with `missing`',
      });
    },
  };
}
