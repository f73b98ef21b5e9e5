/** The bytes of an encoded image and what its header says, before anything is decoded. */

import { open, readFile } from 'node:fs/promises';
import { TristageError } from '../core/errors.ts';
import { type EncodedImage, type FileRange, nameOfImage } from './sample.ts';

/** A member beyond this is no image. */
const MAX_RANGE_BYTES = 1 << 30;

/** @throws TristageError E_IMAGE naming the file when it cannot be read */
export async function bytesOfImage(image: EncodedImage): Promise<Uint8Array> {
  if ('bytes' in image) return image.bytes;
  try {
    return 'offset' in image ? await readRange(image) : await readFile(image.path);
  } catch (cause) {
    const found = (cause as NodeJS.ErrnoException).code ?? (cause instanceof Error ? cause.message : String(cause));
    throw badImage(nameOfImage(image), found, 'a readable file', cause);
  }
}

async function readRange({ path, offset, size }: FileRange): Promise<Uint8Array> {
  if (!(Number.isSafeInteger(offset) && offset >= 0 && size >= 0 && size <= MAX_RANGE_BYTES)) {
    throw new Error(`${size} bytes at ${offset}`);
  }
  const handle = await open(path, 'r');
  try {
    const bytes = new Uint8Array(size);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await handle.read(bytes, done, size - done, offset + done);
      if (bytesRead === 0) throw new Error(`the file ends ${size - done} bytes too early`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

/**
 * Width and height as decoding gives them; only the header is read.
 * @throws TristageError E_IMAGE for a missing file or one that no decoder knows
 */
export async function readImageSize(image: EncodedImage): Promise<{ width: number; height: number }> {
  const whole = 'path' in image && !('offset' in image);
  // Loaded where an image is first needed: who only checks a run file must not wait for it.
  const { default: sharp } = await import('sharp');
  const input = whole ? image.path : await bytesOfImage(image);
  try {
    const { width, height } = await sharp(input, { failOn: 'none', autoOrient: false }).metadata();
    return { width, height };
  } catch (cause) {
    // A file that is not there is said to be so, by name.
    if (whole) await bytesOfImage(image);
    const found = cause instanceof Error ? (cause.message.split('\n')[0] as string) : String(cause);
    throw badImage(nameOfImage(image), found, 'an image of a known kind', cause);
  }
}

/**
 * Components of each pixel as the frame header of a JPEG says it: 1 grey, 3 colour, 4 inks.
 * @returns undefined where no frame header can be found: not a JPEG, or a damaged one
 */
export function jpegComponents(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  let at = 2;
  while (bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9];
    else at += 2 + ((bytes[at + 2] as number) << 8) + (bytes[at + 3] as number);
  }
  return undefined;
}

/** The error of an image that cannot be used. */
export function badImage(name: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_IMAGE',
    message: 'an image cannot be read',
    where: name,
    found,
    expected,
    fix: 'fetch the file again or remove it from the data set',
    cause,
  });
}
