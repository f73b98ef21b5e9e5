/** Reads the head of a GGUF file field by field, from a window over the file, so that a hostile length never decides how much is held. */

import type { TristageError } from '../core/errors.ts';
import { type ByteFile, fileError } from './file-bytes.ts';

/** More than a head ever needs: the largest vocabularies take about 10 MB. */
const LARGEST_HEAD = 128 << 20;
const WINDOW = 1 << 20;

/** Reads forward; every number is little-endian. */
export interface GgufCursor {
  /** Byte of the file that comes next. */
  readonly at: number;
  /** @returns a view of `length` bytes, valid until the next call */
  bytes(length: number): Promise<DataView>;
  u32(): Promise<number>;
  /** A 64-bit count or length. @param most larger ones are refused as `what` */
  count(what: string, most: number): Promise<number>;
  /** A length and that many bytes of UTF-8. */
  text(what: string, most: number): Promise<string>;
  /** An E_GGUF error that says where the cursor stands. */
  wrong(message: string, found: string, expected: string): TristageError;
}

/** An E_GGUF error about a file. */
export function ggufError(path: string, message: string, details: { found: string; expected: string }): TristageError {
  return fileError(path, {
    code: 'E_GGUF',
    message,
    found: details.found.slice(0, 300),
    expected: details.expected,
    fix: 'the file is damaged, incomplete or of a kind that is not read; fetch it again, or use the safetensors of the model',
  });
}

/** A cursor at the first byte of a file. */
export function ggufCursor(file: ByteFile): GgufCursor {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let at = 0;
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = 0;
  const wrong = (message: string, found: string, expected: string): TristageError =>
    ggufError(file.path, message, { found: `${found}, at byte ${at}`, expected });
  const bytes = async (length: number): Promise<DataView> => {
    if (at + length > Math.min(file.size, LARGEST_HEAD)) {
      const end = `${Math.min(file.size, LARGEST_HEAD)} bytes at most, of a file of ${file.size}`;
      throw wrong('the head of the file ends too early', `${length} more bytes wanted`, end);
    }
    if (at < windowStart || at + length > windowStart + window.byteLength) {
      window = await file.read(at, Math.min(Math.max(length, WINDOW), file.size - at));
      windowStart = at;
    }
    const view = new DataView(window.buffer, window.byteOffset + at - windowStart, length);
    at += length;
    return view;
  };
  const count = async (what: string, most: number): Promise<number> => {
    const value = (await bytes(8)).getBigUint64(0, true);
    if (value > BigInt(most)) throw wrong(`${what} is not possible`, `${value}`, `at most ${most}`);
    return Number(value);
  };
  const text = async (what: string, most: number): Promise<string> => {
    const length = await count(`the length of ${what}`, Math.min(most, file.size - at));
    const view = await bytes(length);
    try {
      return utf8.decode(view);
    } catch {
      throw wrong(`${what} is not text`, 'bytes that are not UTF-8', 'UTF-8');
    }
  };
  return {
    get at() {
      return at;
    },
    bytes,
    count,
    text,
    wrong,
    u32: async () => (await bytes(4)).getUint32(0, true),
  };
}
