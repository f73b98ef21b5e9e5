/** Images as members of a tar: their bytes as they are, under the extension of what they are. */

import { badImage, bytesOfImage } from '../image-bytes.ts';
import type { ImageRef, RawImage } from '../sample.ts';

/** An image as it goes into a tar. */
export interface ImageMember {
  readonly extension: 'jpg' | 'png' | 'webp';
  readonly bytes: Uint8Array;
}

/**
 * @returns the bytes of the file, whatever its name; pixels that were never encoded become a PNG
 * @throws TristageError E_IMAGE for a file that cannot be read or is neither JPEG, PNG nor WebP
 */
export async function imageMember(image: ImageRef): Promise<ImageMember> {
  if ('pixels' in image) return { extension: 'png', bytes: await encoded(image) };
  const bytes = await bytesOfImage(image);
  const extension = extensionOf(bytes);
  if (extension !== undefined) return { extension, bytes };
  const found = `a file that begins with ${Buffer.from(bytes.subarray(0, 8)).toString('hex') || 'nothing'}`;
  throw badImage('name' in image ? image.name : image.path, found, 'a JPEG, PNG or WebP');
}

function extensionOf(bytes: Uint8Array): ImageMember['extension'] | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 12)).toString('latin1');
  if (head.startsWith('\xff\xd8\xff')) return 'jpg';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  return head.startsWith('RIFF') && head.slice(8) === 'WEBP' ? 'webp' : undefined;
}

async function encoded({ pixels, width, height }: RawImage): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Equal for images that are the same file or part of one, or the same object. */
export function isSameImage(one: ImageRef, other: ImageRef): boolean {
  if (one === other) return true;
  if (!('path' in one && 'path' in other) || one.path !== other.path) return false;
  if ('offset' in one && 'offset' in other) return one.offset === other.offset && one.size === other.size;
  return !('offset' in one) && !('offset' in other);
}
