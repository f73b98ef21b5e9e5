/** Images by content: what they are known by in a feature cache, found out before anything is decoded. */

import { sha256 } from '../../core/hash.ts';
import { bytesOfImage } from '../image-bytes.ts';
import { type EncodedImage, type ImageRef, type KeyedImage, nameOfImage, type RawImage } from '../sample.ts';
import type { FeatureStore } from './store.ts';

/**
 * What an image is known by: a hash of its encoded bytes, or of its pixels where it was never encoded.
 * @returns the key, and the image with its bytes in memory
 * @throws TristageError E_IMAGE for a file that cannot be read
 */
export async function keyOfImage(image: ImageRef): Promise<{ key: string; image: EncodedImage | RawImage }> {
  if ('pixels' in image) {
    const { width, height, pixels } = image;
    return { key: `pixels ${width} ${height} ${sha256(pixels)}`, image };
  }
  const bytes = await bytesOfImage(image);
  return { key: `bytes ${sha256(bytes)}`, image: { bytes, name: nameOfImage(image) } };
}

/**
 * Looks images up before they are decoded; each one that is not in the store is loaded. Equal images give one object.
 * @param load gives u8[S, S, 3]
 */
export function keyedLoader({
  store,
  load,
}: {
  store: Pick<FeatureStore, 'get'>;
  load: (image: ImageRef) => Promise<Uint8Array>;
}): (image: ImageRef) => Promise<KeyedImage> {
  const loaded = new Map<string, Promise<KeyedImage>>();
  return async (given) => {
    const { key, image } = await keyOfImage(given);
    const found = loaded.get(key) ?? lookUp(key, image);
    loaded.set(key, found);
    return found;
  };
  async function lookUp(key: string, image: ImageRef): Promise<KeyedImage> {
    const features = await store.get(key);
    return features === undefined ? { key, pixels: await load(image) } : { key, features };
  }
}
