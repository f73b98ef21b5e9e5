/** A picture small enough to stand inside a page. */

import sharp from 'sharp';
import type { Pixels } from './picture.ts';

/** Longer side where none is asked for: sharp on a screen of twice the usual density at the size in which a page shows it. */
const SIDE = 320;
/** Pictures of at most so many pixels are kept exactly: they are drawings more often than photos, and small in any case. */
const EXACT = 160 * 160;

/**
 * A picture as a `data:` URI in WebP, made smaller where it is large.
 * @param picture RGB
 * @param side longer side of a large one
 */
export async function pictureUri(
  { data, width, height }: Pixels,
  side = SIDE,
): Promise<{ uri: string; width: number; height: number }> {
  const source = sharp(data, { raw: { width, height, channels: 3 } });
  const resized = source.resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true });
  const encoded = resized.webp(width * height <= EXACT ? { lossless: true } : { quality: 80 });
  const { data: bytes, info } = await encoded.toBuffer({ resolveWithObject: true });
  return { uri: `data:image/webp;base64,${bytes.toString('base64')}`, width: info.width, height: info.height };
}
