/** Generated pictures and files for miniatures of data sets: real encodings, invented contents. */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import sharp from 'sharp';

export interface PictureOptions {
  /** Default 64. */
  width?: number;
  /** Default 48. */
  height?: number;
  /** Chooses colours and shapes; equal numbers give equal pictures. Default 0. */
  seed?: number;
}

/** Encodes a picture of some coloured shapes. */
export async function pictureBytes(
  { width = 64, height = 48, seed = 0 }: PictureOptions = {},
  format: 'jpeg' | 'png' | 'webp' = 'jpeg',
): Promise<Buffer> {
  const hue = (seed * 67) % 360;
  const shapes = Array.from({ length: 3 }, (_, place) => {
    const x = (seed * 7 + place * 19) % Math.max(1, width - 16);
    const y = (seed * 5 + place * 13) % Math.max(1, height - 12);
    return `<rect x="${x}" y="${y}" width="16" height="12" fill="hsl(${(hue + 90 * (place + 1)) % 360} 80% 50%)"/>`;
  });
  const ground = `<rect width="${width}" height="${height}" fill="hsl(${hue} 30% 70%)"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${ground}${shapes.join('')}</svg>`;
  return sharp(Buffer.from(svg)).flatten().toFormat(format).toBuffer();
}

/** Writes a picture in the format of its extension; folders are made. */
export async function writePicture(path: string, options: PictureOptions = {}): Promise<void> {
  const extension = extname(path).slice(1).toLowerCase();
  const format = extension === 'png' || extension === 'webp' ? extension : 'jpeg';
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, await pictureBytes(options, format));
}

/** Writes a text or bytes, or another value as JSON; folders are made. */
export async function writeContent(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const plain = typeof content === 'string' || content instanceof Uint8Array;
  await writeFile(path, plain ? content : JSON.stringify(content));
}

/** Values as JSON lines. */
export function jsonLinesOf(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}
