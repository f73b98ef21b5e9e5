/** Tars whose bytes depend on their content alone: no time, no owner, one mode. */

import { createHash } from 'node:crypto';
import { type Pack, pack } from 'tar-stream';
import { writeStreamAtomic } from '../core/atomic.ts';
import { writeAll } from './file-bytes.ts';
import { TAR_BLOCK } from './tar-header.ts';

/** A file to be written into a tar. */
export interface TarEntry {
  /** Relative path; names over 100 bytes get a PAX header. */
  readonly name: string;
  readonly content: Uint8Array | string;
}

/** The same for all members, so that equal content gives equal bytes. */
const FIXED = { mode: 0o644, mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '', type: 'file' as const };

/** What was written. */
export interface WrittenTar {
  bytes: number;
  sha256: string;
}

/** Bytes that a file of `size` bytes with a short name takes in a tar: its header, and its content filled up to whole blocks. */
export function tarEntryBytes(size: number): number {
  return TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
}

/** Bytes of the end mark. */
export const TAR_END_BYTES = 2 * TAR_BLOCK;

/**
 * Writes a tar that appears whole or not at all.
 * @param path final name
 * @param entries in the order in which they are to stand
 */
export async function writeTar(
  path: string,
  entries: AsyncIterable<TarEntry> | Iterable<TarEntry>,
): Promise<WrittenTar> {
  const hash = createHash('sha256');
  let bytes = 0;
  await writeStreamAtomic(path, async (handle) => {
    const archive = pack();
    const fed = feed(archive, entries);
    // A failure of the entries reaches the writing through the stream; it is thrown there, not as an unhandled rejection.
    fed.catch((error: Error) => archive.destroy(error));
    for await (const piece of archive as AsyncIterable<Uint8Array>) {
      hash.update(piece);
      bytes += piece.byteLength;
      await writeAll(handle, piece);
    }
    await fed;
  });
  return { bytes, sha256: hash.digest('hex') };
}

async function feed(archive: Pack, entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): Promise<void> {
  for await (const { name, content } of entries) {
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
    await new Promise<void>((done, failed) => {
      archive.entry({ ...FIXED, name, size: bytes.byteLength }, bytes, (error) => (error ? failed(error) : done()));
    });
  }
  archive.finalize();
}
