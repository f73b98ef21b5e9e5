/** Where the pictures of `predict` go, and what is drawn on them. */

import { realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { decodeImage } from '../data/image.ts';
import { boxesSvg, type DrawnBox } from '../report/box-drawing.ts';
import { placeLabels } from '../report/label-placement.ts';
import { isPictureName, PICTURE_EXTENSIONS, writePicture } from '../report/picture.ts';
import type { Answered } from './predict-answer.ts';

/**
 * The file of each image's picture: `out` itself for one image, else files named like the images in the folder `out`. Images that
 * cannot be written in their own kind become PNG; equal names are numbered.
 * @param images `several`: a folder is needed even where it is one image in the end
 * @returns paths by image
 * @throws TristageError E_OUT for a place that does not suit, or where an image lies that is asked about
 */
export function picturePaths(out: string, images: { files: readonly string[]; several: boolean }): Map<string, string> {
  const stat = statOf(out);
  const isFolder = images.several || out.endsWith('/') || out.endsWith(sep) || stat?.isDirectory() === true;
  if (isFolder && (stat?.isFile() || (stat === undefined && isPictureName(out)))) {
    throw badOut(out, stat ? 'a file' : 'the name of one picture', 'a folder, since several images are asked about');
  }
  if (!isFolder && !isPictureName(out)) {
    throw badOut(out, extname(out) || 'no extension', PICTURE_EXTENSIONS.join(', '));
  }
  const paths = isFolder ? numbered(images.files, out) : new Map(images.files.map((file) => [file, out]));
  const inputs = new Set(images.files.map(realPath));
  for (const path of paths.values()) {
    if (inputs.has(realPath(path))) throw badOut(path, 'an image that is asked about', 'a place that keeps it');
  }
  return paths;
}

function statOf(out: string): Stats | undefined {
  try {
    return statSync(out, { throwIfNoEntry: false });
  } catch (cause) {
    throw cannotWrite(out, cause);
  }
}

function numbered(files: readonly string[], folder: string): Map<string, string> {
  const taken = new Set<string>();
  const paths = new Map<string, string>();
  for (const file of files) {
    const kind = isPictureName(file) ? extname(file) : '.png';
    const stem = basename(file, extname(file));
    let name = stem + kind;
    for (let count = 2; taken.has(name.toLowerCase()); count++) name = `${stem}-${count}${kind}`;
    taken.add(name.toLowerCase());
    paths.set(file, join(folder, name));
  }
  return paths;
}

/** A path without links, also where its end does not exist yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(resolve(path));
    return folder === resolve(path) ? folder : join(realPath(folder), basename(path));
  }
}

/**
 * Draws the boxes of an answer on its image.
 * @returns how many labels found no room
 * @throws TristageError E_IMAGE, E_OUT and E_DISK_FULL for what cannot be read or written
 */
export async function drawAnswer(answered: Answered & { image: string }, path: string): Promise<number> {
  const pixels = await decodeImage({ path: answered.image });
  const { width, height } = pixels;
  const boxes = drawnBoxes(answered);
  const placement = placeLabels({ width, height, boxes });
  try {
    await writePicture(path, pixels, boxesSvg({ width, height, boxes, placement }));
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
  return placement.leftOut.length;
}

/** Boxes with what they show: their phrase, else what was asked for; the box that was asked about has the answer. Each once. */
function drawnBoxes({ task, question, answer, boxes, asked }: Answered): DrawnBox[] {
  const wanted = task === 'refer' || task === 'detection' ? question : undefined;
  const drawn: DrawnBox[] = boxes.map(({ fractions, phrase }) => ({ box: fractions, label: phrase ?? wanted }));
  if (asked !== undefined) drawn.unshift({ box: asked.fractions, label: answer });
  const known = new Set<string>();
  return drawn.filter(({ box, label }) => {
    const key = `${box.join()} ${label}`;
    return !known.has(key) && known.add(key);
  });
}

function badOut(where: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_OUT',
    message: 'the picture cannot be written there',
    where,
    found,
    expected,
    fix: 'choose another --out',
    cause,
  });
}

function cannotWrite(path: string, cause: unknown): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new TristageError({
      kind: 'resources',
      code: 'E_DISK_FULL',
      message: 'there is no room for the picture',
      where: path,
      found: code,
      expected: 'free space',
      fix: 'free some, or choose another --out',
      cause,
    });
  }
  return badOut(path, code ?? message, 'a place that can be written', cause);
}
