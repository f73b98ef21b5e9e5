/** Reading exact ranges of a file by handle, with errors that name the file and the range; writing of any length. */

import { type FileHandle, open } from 'node:fs/promises';
import { type ErrorDetails, TristageError } from '../core/errors.ts';

/** One call reads or writes at most this much: the kernel caps it below 2^31 bytes. */
const CALL_BYTES = 1 << 30;

/** Bytes of one call where several are under way at once. */
const PIECE_BYTES = 16 << 20;
/** Calls under way at once: the system copies and makes pages on as many processors. */
const AT_ONCE = 4;

/** Gives so many bytes of fresh memory, aligned for every dtype. */
export type Allocate = (length: number) => Uint8Array;

/** A file opened for reading at given positions. */
export interface ByteFile {
  readonly path: string;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  /**
   * @param allocate where the bytes go; default: an array of their own
   * @returns exactly `length` bytes in fresh memory, aligned for every dtype
   * @throws TristageError E_FILE_READ when the file ends before or memory does not suffice
   */
  read(position: number, length: number, allocate?: Allocate): Promise<Uint8Array>;
  /** Streams a range in pieces; a piece is valid only until the next. */
  pieces(position: number, length: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** An error about a file's content or absence; `checkpoint` is the default kind. */
export function fileError(path: string, details: Omit<ErrorDetails, 'kind' | 'where'>): TristageError {
  return new TristageError({ kind: 'checkpoint', where: path, ...details });
}

/**
 * Opens a regular file.
 * @throws TristageError E_FILE_READ when it is absent, not readable or not a regular file
 */
export async function openByteFile(path: string): Promise<ByteFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const status = await handle.stat();
    if (!status.isFile()) throw new Error('not a regular file');
    return byteFile(path, handle, status.size);
  } catch (error) {
    await handle?.close();
    throw fileError(path, {
      code: 'E_FILE_READ',
      message: 'the file cannot be read',
      found: error instanceof Error ? error.message : String(error),
      expected: 'a readable file',
      fix: 'check the path and its permissions',
      cause: error,
    });
  }
}

/** Opens a file for one piece of work and closes it whatever happens; throws as {@link openByteFile} does. */
export async function withByteFile<T>(path: string, work: (file: ByteFile) => Promise<T>): Promise<T> {
  const file = await openByteFile(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function fill(handle: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    const wanted = Math.min(CALL_BYTES, target.byteLength - done);
    const { bytesRead } = await handle.read(target, done, wanted, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** As {@link fill}, a large target in pieces side by side. */
async function fillAtOnce(handle: FileHandle, target: Uint8Array, position: number): Promise<number> {
  if (target.byteLength <= PIECE_BYTES) return await fill(handle, target, position);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < target.byteLength) {
      const at = next;
      next += PIECE_BYTES;
      const piece = await fill(handle, target.subarray(at, at + PIECE_BYTES), position + at);
      done += piece;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return done;
}

/** Writes all bytes at the handle's position, however many they are. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += CALL_BYTES) {
    const piece = bytes.subarray(at, at + CALL_BYTES);
    for (let done = 0; done < piece.byteLength; ) done += (await handle.write(piece, done)).bytesWritten;
  }
}

function byteFile(path: string, handle: FileHandle, size: number): ByteFile {
  const short = (position: number, length: number, found: string, cause?: unknown): TristageError =>
    fileError(path, {
      code: 'E_FILE_READ',
      message: 'a part of the file cannot be read',
      found,
      expected: `${length} bytes at ${position} of ${size}`,
      fix: 'the file is damaged or is being changed; fetch or write it again',
      cause,
    });
  const fresh: Allocate = (length) => new Uint8Array(length);
  const read = async (position: number, length: number, allocate = fresh): Promise<Uint8Array> => {
    if (!(position >= 0 && length >= 0 && position + length <= size)) {
      throw short(position, length, `the file has ${size} bytes`);
    }
    try {
      const bytes = allocate(length);
      const done = await fillAtOnce(handle, bytes, position);
      if (done === length) return bytes;
      throw short(position, length, `only ${done} bytes`);
    } catch (error) {
      if (error instanceof TristageError) throw error;
      throw short(position, length, error instanceof Error ? error.message : String(error), error);
    }
  };
  async function* pieces(position: number, length: number): AsyncIterable<Uint8Array> {
    const step = 1 << 20;
    for (let at = 0; at < length; at += step) yield await read(position + at, Math.min(step, length - at));
  }
  return { path, size, read, pieces, close: () => handle.close() };
}
