/** Tars of photo-like JPEGs with captions, equal on every run. */

import { join } from 'node:path';
import { publishDirAtomic } from '../../../core/atomic.ts';
import { randomStream } from '../../../core/rng.ts';
import { photoLike } from '../../../data/photo-like.ts';
import { type TarEntry, writeTar } from '../../../formats/tar-writer.ts';

/** Raised when the same request gives other bytes. */
export const PHOTOS_REVISION = 1;
/** Tars, so that several readers have their own. */
const SHARDS = 4;
const WORDS =
  'a the two some small large old bright young woman man dog cat horse bird boat train street table plate kitchen window park beach tree river mountain red blue green wooden white sitting standing running holding looking near under beside behind across with and of on in'.split(
    ' ',
  );

/** @returns the paths of the tars in a folder of photos */
export function photoShards(folder: string): string[] {
  return Array.from({ length: SHARDS }, (_, shard) => join(folder, `photos-${shard}.tar`));
}

/**
 * Writes the tars, which appear together or not at all.
 * @param folder must not be there yet
 * @param images divided evenly among the tars
 */
export async function writePhotos(folder: string, images: number, log?: (line: string) => void): Promise<void> {
  await publishDirAtomic(folder, async (target) => {
    for (const [shard, path] of photoShards(target).entries()) {
      const first = Math.floor((images * shard) / SHARDS);
      await writeTar(path, photos(first, Math.floor((images * (shard + 1)) / SHARDS)));
      log?.(`photos: ${shard + 1} of ${SHARDS} tars`);
    }
  });
}

async function* photos(first: number, end: number): AsyncIterable<TarEntry> {
  for (let number = first; number < end; number++) {
    const key = String(number).padStart(6, '0');
    yield { name: `${key}.jpg`, content: await photoLike(number) };
    yield { name: `${key}.txt`, content: caption(number) };
  }
}

/** Ten to seventeen words. */
function caption(number: number): string {
  const random = randomStream(number, 2);
  return Array.from({ length: 10 + random.integer(0, 8) }, (_, place) => WORDS[random.integer(place + 1, WORDS.length)])
    .join(' ')
    .concat('.');
}
