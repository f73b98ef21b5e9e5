/** The bytes of a pickle as the arguments of its opcodes: sized, signed and bounded. */

import type { TristageError } from '../core/errors.ts';
import { fileError } from './file-bytes.ts';

/** A longer integer is refused: its text would take quadratic time. */
const INTEGER_BYTES = 256;

/** A cursor over a pickle. Every method consumes its argument and throws E_PICKLE when the bytes do not hold one. */
export interface PickleReader {
  position(): number;
  byte(): number;
  /** Little-endian unsigned integer of 1, 2 or 4 bytes. */
  unsigned(size: 1 | 2 | 4): number;
  int32(): number;
  /** Big-endian float64. */
  float64(): number;
  /** Two's complement integer of so many bytes. */
  long(size: number): number | bigint;
  /** Bytes behind a length of 1, 4 or 8 bytes; a view. */
  sized(lengthSize: 1 | 4 | 8): Uint8Array;
  /** A line without its newline, as text. */
  line(): string;
  decimalLine(): number;
  /** The argument of INT and LONG: decimal with an optional L; `00` and `01` are booleans. */
  integerLine(): number | bigint | boolean;
  floatLine(): number;
  /** A Python repr of an 8-bit string. */
  quotedLine(): Uint8Array;
  /** A raw-unicode-escape line. */
  unicodeLine(): string;
  protocol(): void;
  frame(): void;
  decode(bytes: Uint8Array, encoding: 'utf-8' | 'latin1'): string;
  error(message: string, details: { found: string; expected: string }): TristageError;
}

/** Exact integers are numbers where a number is exact. */
function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

export function createPickleReader(bytes: Uint8Array, source: { where: string; start: number }): PickleReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = source.start;
  const error: PickleReader['error'] = (message, details) =>
    fileError(source.where, {
      code: 'E_PICKLE',
      message,
      ...details,
      fix: 'the file is damaged or not a plain pickle',
    });
  const take = (length: number): number => {
    if (length > bytes.byteLength - at) {
      throw error('the pickle ends early', { found: `${bytes.byteLength - at} bytes at ${at}`, expected: `${length}` });
    }
    at += length;
    return at - length;
  };
  const unsigned = (size: 1 | 2 | 4): number => {
    const position = take(size);
    if (size === 1) return view.getUint8(position);
    return size === 2 ? view.getUint16(position, true) : view.getUint32(position, true);
  };
  const slice = (length: number): Uint8Array => {
    const position = take(length);
    return bytes.subarray(position, position + length);
  };
  const lineBytes = (): Uint8Array => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw error('a line has no end', { found: `offset ${at}`, expected: 'a newline' });
    return slice(end + 1 - at).subarray(0, -1);
  };
  const line = (): string => decode(lineBytes(), 'utf-8');
  const decode: PickleReader['decode'] = (data, encoding) => {
    if (encoding === 'latin1') return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
    } catch {
      throw error('a text is not UTF-8', { found: `before offset ${at}`, expected: 'UTF-8' });
    }
  };
  return {
    position: () => at,
    byte: () => unsigned(1),
    unsigned,
    int32: () => view.getInt32(take(4), true),
    float64: () => view.getFloat64(take(8), false),
    long: (size) => readLong(slice(size), error),
    sized(lengthSize) {
      if (lengthSize !== 8) return slice(unsigned(lengthSize));
      const length = view.getBigUint64(take(8), true);
      return slice(length > BigInt(bytes.byteLength) ? bytes.byteLength + 1 : Number(length));
    },
    line,
    decimalLine: () => parseDecimal(line(), error),
    integerLine: () => parseIntegerLine(line(), error),
    floatLine: () => parseFloatLine(line(), error),
    quotedLine: () => parseQuoted(decode(lineBytes(), 'latin1'), error),
    unicodeLine: () => parseRawUnicode(decode(lineBytes(), 'latin1')),
    protocol() {
      const version = unsigned(1);
      if (version > 4) throw error('the protocol is not supported', { found: `${version}`, expected: '0 to 4' });
    },
    frame: () => void take(8),
    decode,
    error,
  };
}

type ErrorMaker = PickleReader['error'];

/** Two's complement, little-endian. */
function readLong(bytes: Uint8Array, error: ErrorMaker): number | bigint {
  if (bytes.byteLength > INTEGER_BYTES) {
    const expected = `at most ${INTEGER_BYTES} bytes`;
    throw error('an integer is too long', { found: `${bytes.byteLength} bytes`, expected });
  }
  if (bytes.byteLength === 0) return 0;
  const digits = Buffer.from(bytes).reverse().toString('hex');
  return narrow(BigInt.asIntN(bytes.byteLength * 8, BigInt(`0x${digits}`)));
}

function parseDecimal(text: string, error: ErrorMaker): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw error('a memo index is not a number', { found: JSON.stringify(text.slice(0, 40)), expected: 'digits' });
}

function parseIntegerLine(text: string, error: ErrorMaker): number | bigint | boolean {
  if (text === '00') return false;
  if (text === '01') return true;
  const digits = text.replace(/L$/, '');
  if (/^-?\d{1,600}$/.test(digits)) return narrow(BigInt(digits));
  throw error('an integer is not one', { found: JSON.stringify(text.slice(0, 40)), expected: 'at most 600 digits' });
}

function parseFloatLine(text: string, error: ErrorMaker): number {
  const special: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: Number.NaN };
  if (Object.hasOwn(special, text)) return special[text]!;
  const value = Number(text);
  if (text !== '' && /^[-+.\deE]+$/.test(text) && !Number.isNaN(value)) return value;
  throw error('a float is not one', { found: JSON.stringify(text.slice(0, 40)), expected: 'a decimal number' });
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

function parseQuoted(text: string, error: ErrorMaker): Uint8Array {
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote) {
    throw error('a string is not in quotes', { found: JSON.stringify(text.slice(0, 40)), expected: 'matching quotes' });
  }
  const plain = text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([^x0-7]))/g, (whole, hex, octal, simple) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 255);
      return SIMPLE_ESCAPES[simple] ?? whole;
    });
  return Buffer.from(plain, 'latin1');
}

/** Latin-1 with `\uXXXX` and `\UXXXXXXXX`. */
function parseRawUnicode(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})/g, (_, short, long) =>
    String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );
}
