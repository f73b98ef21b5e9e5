/** Lines of a text file with their numbers, for messages that point at a line. Only a newline ends a line: JSON may hold the others. */

import { createReadStream } from 'node:fs';
import { TristageError } from '../lib/core/errors.ts';

export interface NumberedLine {
  /** From 1. */
  line: number;
  /** Absent where the bytes are no UTF-8, or too many. */
  text: string | undefined;
}

/** A longer line is no record; the rest of it is not kept in memory. */
const MOST_BYTES = 16 << 20;
const NEWLINE = 0x0a;

/**
 * Lines that are not blank, as a stream.
 * @throws TristageError E_FILE_READ when the file cannot be read
 */
export async function* numberedLines(path: string): AsyncIterable<NumberedLine> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let line = 1;
  const keep = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes <= MOST_BYTES) pieces.push(piece);
    else pieces = [];
  };
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        keep(chunk.subarray(start, end));
        const text = bytes > MOST_BYTES ? undefined : decoded(Buffer.concat(pieces));
        if (text?.trim() !== '') yield { line, text };
        [pieces, bytes, line, start] = [[], 0, line + 1, end + 1];
      }
      keep(chunk.subarray(start));
    }
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw unreadable(path, cause);
  }
  const text = bytes > MOST_BYTES ? undefined : decoded(Buffer.concat(pieces));
  if (text?.trim() !== '') yield { line, text };
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function unreadable(where: string, cause: Error): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_FILE_READ',
    message: 'the file cannot be read',
    where,
    found: cause.message,
    expected: 'a readable file',
    fix: 'check the path and its permissions',
    cause,
  });
}
