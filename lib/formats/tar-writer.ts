/** Tars whose bytes depend on their content alone: no time, no owner, one mode. */

import { type Pack, pack } from 'tar-stream';
import { writeStreamAtomic } from '../core/atomic.ts';

/** A file to be written into a tar. */
export interface TarEntry {
  /** Relative path; names over 100 bytes get a PAX header. */
  readonly name: string;
  readonly content: Uint8Array | string;
}

/** The same for all members, so that equal content gives equal bytes. */
const FIXED = { mode: 0o644, mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '', type: 'file' as const };

/**
 * Writes a tar that appears whole or not at all.
 * @param path final name
 * @param entries in the order in which they are to stand
 */
export async function writeTar(path: string, entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): Promise<void> {
  await writeStreamAtomic(path, async (handle) => {
    const archive = pack();
    const fed = feed(archive, entries);
    // A failure of the entries reaches the writing through the stream; it is thrown there, not as an unhandled rejection.
    fed.catch((error: Error) => archive.destroy(error));
    await handle.writeFile(archive as AsyncIterable<Uint8Array>);
    await fed;
  });
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
