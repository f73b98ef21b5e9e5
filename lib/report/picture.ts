/** A picture with a drawing over it, as a file. */

import { extname } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { writeFileAtomic } from '../core/atomic.ts';

/** u8[height, width, 3] */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

// Lines of one pixel keep their colour: no colour is stored at half size where the format allows it.
const ENCODERS: Readonly<Record<string, (picture: Sharp) => Sharp>> = {
  '.png': (picture) => picture.png(),
  '.jpg': (picture) => picture.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }),
  '.jpeg': (picture) => picture.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }),
  '.webp': (picture) => picture.webp({ nearLossless: true, quality: 60 }),
};

/** The kinds of picture that can be written, by the end of the name. */
export const PICTURE_EXTENSIONS: readonly string[] = Object.keys(ENCODERS);

/** Whether a path ends like a picture that can be written. */
export function isPictureName(path: string): boolean {
  return PICTURE_EXTENSIONS.includes(extname(path).toLowerCase());
}

/**
 * Draws over a picture and writes it whole or not at all; the folder is made where it is missing. The kind follows from the
 * extension, one of PICTURE_EXTENSIONS.
 * @param drawing SVG of the picture's size
 */
export async function writePicture(path: string, { data, width, height }: Pixels, drawing: string): Promise<void> {
  const encode = ENCODERS[extname(path).toLowerCase()];
  if (encode === undefined) throw new RangeError(`no picture can be written as ${path}`);
  const picture = sharp(data, { raw: { width, height, channels: 3 } }).composite([{ input: Buffer.from(drawing) }]);
  await writeFileAtomic(path, await encode(picture).toBuffer());
}
