/**
 * The 512-byte header of a tar member and the records of a PAX header (POSIX.1-2001, pax; GNU tar manual, "Basic Tar
 * Format"), read strictly: a wrong checksum or number is an error, never a guess.
 */

/** Everything in a tar is a multiple of this many bytes. */
export const TAR_BLOCK = 512;

/** A header as it stands; `type` is the type flag, `'\0'` already turned into `'0'`. */
export interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

/** What a PAX header says of the member after it. */
export interface PaxRecords {
  readonly path?: string;
  readonly size?: number;
}

/** A field that cannot be read; the caller adds file and position. */
export class TarFieldError extends Error {
  readonly expected: string;
  constructor(found: string, expected: string) {
    super(found);
    this.expected = expected;
  }
}

const CHECKSUM_AT = 148;
const CHECKSUM_END = 156;
const TYPE_AT = 156;
const MAGIC_AT = 257;
const PREFIX_AT = 345;
const SPACE = 0x20;
/** Of the length of a PAX record; a header has at most a MiB. */
const LENGTH_DIGITS = 10;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** True for the block of zeros that ends an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/**
 * @param block u8[512], not all zero
 * @throws TarFieldError for a wrong checksum, size or name
 */
export function parseTarHeader(block: Uint8Array): TarHeader {
  checkChecksum(block);
  const flag = String.fromCharCode(block[TYPE_AT] as number);
  const name = textField(block.subarray(0, 100));
  // GNU's own format ends its magic with spaces and uses the place of the prefix for other things.
  const posix = textOfBytes(block.subarray(MAGIC_AT, MAGIC_AT + 6)) === 'ustar\0';
  const prefix = posix ? textField(block.subarray(PREFIX_AT, PREFIX_AT + 155)) : '';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numberField(block.subarray(124, 136), 'size'),
    type: flag === '\0' ? '0' : flag,
  };
}

/** The sum of all bytes, the checksum's own counted as spaces; old programs summed signed bytes. */
function checkChecksum(block: Uint8Array): void {
  const stated = numberField(block.subarray(CHECKSUM_AT, CHECKSUM_END), 'checksum');
  let unsigned = 0;
  let signed = 0;
  for (let place = 0; place < TAR_BLOCK; place++) {
    const byte = place >= CHECKSUM_AT && place < CHECKSUM_END ? SPACE : (block[place] as number);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  if (stated !== unsigned && stated !== signed) {
    throw new TarFieldError(`a header whose checksum is ${stated}`, `${unsigned}, the sum of its bytes`);
  }
}

/** Octal digits, or GNU's binary form for what eleven digits cannot hold. */
function numberField(field: Uint8Array, what: string): number {
  const first = field[0] as number;
  if (first >= 0x80) return binaryField(field, what);
  const text = textOfBytes(field)
    .replace(/^ +/, '')
    .replace(/[\0 ][\s\S]*$/, '');
  if (!/^[0-7]+$/.test(text)) {
    throw new TarFieldError(`a ${what} of ${JSON.stringify(textOfBytes(field))}`, 'octal digits');
  }
  return Number.parseInt(text, 8);
}

function binaryField(field: Uint8Array, what: string): number {
  let value = (field[0] as number) & 0x7f;
  if ((field[0] as number) === 0xff) throw new TarFieldError(`a negative ${what}`, 'zero or more');
  for (const byte of field.subarray(1)) {
    value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER) throw new TarFieldError(`a ${what} above 2^53`, 'a possible number of bytes');
  }
  return value;
}

function textOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function textField(field: Uint8Array): string {
  const end = field.indexOf(0);
  return decodeName(end < 0 ? field : field.subarray(0, end));
}

/**
 * UTF-8 to text; a trailing NUL, as GNU long names have, is dropped.
 * @throws TarFieldError for other encodings
 */
export function decodeName(bytes: Uint8Array): string {
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length;
  try {
    return utf8.decode(bytes.subarray(0, end));
  } catch {
    throw new TarFieldError(`a name of the bytes ${Buffer.from(bytes.subarray(0, 64)).toString('hex')}`, 'UTF-8');
  }
}

/**
 * Records `LENGTH KEY=VALUE\n`; keys that concern neither name nor size are passed over.
 * @throws TarFieldError for a record of another form, a bad size, or a sparse file
 */
export function parsePaxRecords(bytes: Uint8Array): PaxRecords {
  const records: { path?: string; size?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const digits = space < 0 ? '' : textOfBytes(bytes.subarray(at, Math.min(space, at + LENGTH_DIGITS)));
    const length = /^\d+$/.test(digits) ? Number(digits) : Number.NaN;
    const end = at + length;
    if (!(Number.isSafeInteger(length) && end > space + 2 && end <= bytes.length && bytes[end - 1] === 0x0a)) {
      throw new TarFieldError(`a PAX record at byte ${at} of its header`, 'LENGTH KEY=VALUE and a newline');
    }
    const [key, value] = splitRecord(bytes.subarray(space + 1, end - 1));
    if (key.startsWith('GNU.sparse')) throw new TarFieldError('a sparse file', 'regular files');
    if (key === 'path') records.path = decodeName(value);
    if (key === 'size') records.size = paxSize(textOfBytes(value));
    at = end;
  }
  return records;
}

function splitRecord(record: Uint8Array): [key: string, value: Uint8Array] {
  const equals = record.indexOf(0x3d);
  if (equals <= 0) throw new TarFieldError('a PAX record without a key', 'KEY=VALUE');
  return [textOfBytes(record.subarray(0, equals)), record.subarray(equals + 1)];
}

function paxSize(text: string): number {
  const size = Number(text);
  if (!(/^\d+$/.test(text) && Number.isSafeInteger(size))) {
    throw new TarFieldError(`a PAX size of ${JSON.stringify(text.slice(0, 40))}`, 'a possible number of bytes');
  }
  return size;
}
