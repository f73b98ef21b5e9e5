/** Compressed tars: unpacked once into the cache, for no place in a compressed file can be read by itself. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { writeStreamAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { sampledDigest } from '../core/hash.ts';
import { cacheDir } from '../core/paths.ts';

/** Images hardly shrink; what grows beyond this is made to fill a disk. */
const MOST_GROWTH = 100;
const ALWAYS_BORNE = 1 << 30;

const known = new Map<string, Promise<string>>();

/** True for the name of a compressed tar. */
export function isCompressedTar(path: string): boolean {
  return /\.(tar\.gz|tgz)$/i.test(path);
}

/**
 * A tar that can be read at any place: the file itself, or of a compressed one its content in the cache.
 * @throws TristageError E_TAR for a file that is not gzip or unpacks to more than a hundred times its size, E_FILE_READ when it
 *   cannot be read
 */
export function plainTar(path: string): Promise<string> {
  if (!isCompressedTar(path)) return Promise.resolve(path);
  const unpacked = known.get(path) ?? unpack(path);
  known.set(path, unpacked);
  unpacked.catch(() => known.delete(path));
  return unpacked;
}

async function unpack(path: string): Promise<string> {
  try {
    const { bytes, sha256 } = await sampledDigest(path);
    const target = join(cacheDir(), 'shards', `${sha256.slice(0, 32)}.tar`);
    if ((await stat(target).catch(() => undefined)) === undefined) {
      await writeStreamAtomic(target, async (handle) => {
        let written = 0;
        for await (const piece of pipeline(createReadStream(path), createGunzip(), () => undefined)) {
          written += (piece as Buffer).length;
          if (written > Math.max(ALWAYS_BORNE, bytes * MOST_GROWTH)) {
            throw bad(path, `more than ${written} bytes from ${bytes}`, `at most ${MOST_GROWTH} times as much`);
          }
          await handle.writeFile(piece as Buffer);
        }
      });
    }
    return target;
  } catch (error) {
    if (error instanceof TristageError) throw error;
    throw bad(path, error instanceof Error ? error.message : String(error), 'a tar compressed with gzip', error);
  }
}

function bad(where: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_TAR',
    message: 'a compressed tar cannot be unpacked',
    where,
    found,
    expected,
    fix: 'fetch the file again, or unpack it yourself',
    cause,
  });
}
