/** Where COCO's images lie: one folder or several, in the naming of 2014 or of 2017. The ids are the same in both. */

import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Folders that are looked through below the root when none are named; the root itself comes last. */
const USUAL_FOLDERS = ['train2017', 'val2017', 'train2014', 'val2014', 'test2015', 'images', '.'] as const;

/** Finds the file of an image. */
export interface CocoImages {
  /** Folders that exist, with the number of files in each. */
  readonly folders: readonly { path: string; files: number }[];
  /**
   * @param fileName as the annotations write it; folders in it are ignored
   * @param id COCO's image id, for other spellings of the name
   * @returns a path, or undefined when no folder has the image
   */
  find(fileName: string | undefined, id: number | undefined): string | undefined;
}

/**
 * Lists the image folders once.
 * @param root folder of the data set
 * @param folders relative to the root; default: the usual names
 */
export async function openCocoImages(root: string, folders?: readonly string[]): Promise<CocoImages> {
  const found: { path: string; files: number }[] = [];
  const paths = new Map<string, string>();
  for (const folder of folders ?? USUAL_FOLDERS) {
    const path = join(root, folder);
    const names = await readdir(path).catch(() => undefined);
    if (names === undefined) continue;
    const images = names.filter((name) => /\.(jpe?g|png)$/i.test(name));
    if (images.length > 0) found.push({ path, files: images.length });
    for (const name of images) if (!paths.has(name)) paths.set(name, join(path, name));
  }
  return {
    folders: found,
    find(fileName, id) {
      const names = fileName === undefined ? [] : [basename(fileName)];
      if (id !== undefined) names.push(...spellings(id));
      for (const name of names) {
        const path = paths.get(name);
        if (path !== undefined) return path;
      }
      return undefined;
    },
  };
}

/** File names of an image id: 2017, then 2014. */
function spellings(id: number): string[] {
  const number = String(id).padStart(12, '0');
  return [`${number}.jpg`, `COCO_train2014_${number}.jpg`, `COCO_val2014_${number}.jpg`];
}

/** The image id in a COCO file name or in a `coco_123` id, or undefined. */
export function cocoIdOf(name: string): number | undefined {
  const match = /(\d+)(?:\.[A-Za-z]+)?$/.exec(basename(name));
  return match === null ? undefined : Number(match[1]);
}
