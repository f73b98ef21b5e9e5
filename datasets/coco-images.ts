/** Where COCO's images lie: one folder or several, in the naming of 2014 or of 2017. The ids are the same in both. */

import { basename } from 'node:path';
import { type ImageFolders, openImageFolders } from './image-folders.ts';

/** Folders that are looked through when none are named: below root, below a folder `coco` in root or beside it, root itself last. */
const USUAL_FOLDERS = ['train2017', 'val2017', 'train2014', 'val2014', 'test2015', 'images'] as const;

/** For the description of an option. */
export const USUAL_COCO_FOLDERS =
  'train2017, val2017, train2014, val2014, test2015, images below root, coco or ../coco; root itself';

/**
 * The image folders, listed once.
 * @param root folder of the data set
 * @param folders relative to the root, or absolute; default: the usual names
 */
export function openCocoFolders(root: string, folders?: readonly string[]): Promise<ImageFolders> {
  const beside = ['coco', '../coco', '../../coco'].flatMap((base) =>
    USUAL_FOLDERS.map((folder) => `${base}/${folder}`),
  );
  return openImageFolders(root, folders ?? [...USUAL_FOLDERS, ...beside, '.']);
}

/**
 * The names that the file of a COCO image may have.
 * @param fileName as the annotations write it, first
 * @param id COCO's image id
 */
export function cocoNames(fileName: string | undefined, id: number | undefined): string[] {
  const names = fileName === undefined ? [] : [basename(fileName)];
  return id === undefined ? names : [...names, ...spellings(id)];
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
