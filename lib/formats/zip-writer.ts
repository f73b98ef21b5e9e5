/**
 * ZIP archives as torch reads them: entries stored, each entry's data at a multiple of 64 bytes, zip64 where 32 bits do not suffice.
 * Our own because the packages that write ZIP streams cannot place data at multiples. Layout: PKWARE's APPNOTE, 4.3 to 4.5.
 */

import { crc32 } from 'node:zlib';

const ALIGNMENT = 64;
const LARGEST_32 = 0xffffffff;
const LARGEST_16 = 0xffff;
/** The first day that the format knows, so that equal content gives equal bytes. */
const FIXED_DATE = 0x0021;
/** Padding in the local header stands in an extra field of this id, which torch uses for the same purpose. */
const PADDING_ID = 0x4246;

/** Takes the bytes of the archive in order. */
export type ZipSink = (bytes: Uint8Array) => Promise<void>;

/** An archive in the making. */
export interface ZipWriter {
  /** Adds an entry. Names are unique; an entry is in memory while it is written. */
  add(name: string, content: Uint8Array): Promise<void>;
  /** Writes the directory. Nothing may be added afterwards. */
  end(): Promise<void>;
}

interface Written {
  name: Uint8Array;
  crc: number;
  size: number;
  offset: number;
}

/**
 * Begins an archive.
 * @param start bytes that stand before the archive in its file; offsets count from the beginning of the file
 */
export function zipWriter(sink: ZipSink, start = 0): ZipWriter {
  const entries: Written[] = [];
  let position = start;
  const emit = async (bytes: Uint8Array): Promise<void> => {
    await sink(bytes);
    position += bytes.byteLength;
  };
  return {
    async add(name, content) {
      const entry: Written = {
        name: Buffer.from(name, 'utf8'),
        crc: crc32(content),
        size: content.byteLength,
        offset: position,
      };
      entries.push(entry);
      await emit(localHeader(entry));
      await emit(content);
    },
    async end() {
      const directory = { offset: position, count: entries.length };
      for (const entry of entries) await emit(directoryEntry(entry));
      await emit(endRecords({ ...directory, size: position - directory.offset }));
    },
  };
}

/** Fields of the given widths in bytes, little-endian. */
function fields(...pairs: [value: number, width: 2 | 4 | 8][]): Buffer {
  const bytes = Buffer.alloc(pairs.reduce((sum, [, width]) => sum + width, 0));
  let at = 0;
  for (const [value, width] of pairs) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}

/** The extra field of zip64, or nothing where no value needs it. */
function wideField(values: readonly number[]): Buffer {
  if (values.length === 0) return Buffer.alloc(0);
  return fields([1, 2], [8 * values.length, 2], ...values.map((value): [number, 8] => [value, 8]));
}

/** What the local header and the directory say alike: version needed, flags (names in UTF-8), method stored, time, date, checksum. */
function common({ crc }: Written, wide: boolean): Buffer {
  return fields([wide ? 45 : 20, 2], [0x0800, 2], [0, 2], [0, 2], [FIXED_DATE, 2], [crc, 4]);
}

function localHeader(entry: Written): Buffer {
  const { name, size, offset } = entry;
  const isWide = size >= LARGEST_32;
  const wide = wideField(isWide ? [size, size] : []);
  const fixed = 30 + name.byteLength + wide.byteLength + 4;
  const padding = (ALIGNMENT - ((offset + fixed) % ALIGNMENT)) % ALIGNMENT;
  const narrow = isWide ? LARGEST_32 : size;
  return Buffer.concat([
    fields([0x04034b50, 4]),
    common(entry, isWide),
    fields([narrow, 4], [narrow, 4], [name.byteLength, 2], [wide.byteLength + 4 + padding, 2]),
    name,
    wide,
    fields([PADDING_ID, 2], [padding, 2]),
    Buffer.alloc(padding),
  ]);
}

function directoryEntry(entry: Written): Buffer {
  const { name, size, offset } = entry;
  const isLarge = size >= LARGEST_32;
  const isFar = offset >= LARGEST_32;
  const wide = wideField([...(isLarge ? [size, size] : []), ...(isFar ? [offset] : [])]);
  const narrow = isLarge ? LARGEST_32 : size;
  return Buffer.concat([
    fields([0x02014b50, 4], [isLarge || isFar ? 45 : 20, 2]),
    common(entry, isLarge || isFar),
    fields([narrow, 4], [narrow, 4], [name.byteLength, 2], [wide.byteLength, 2]),
    // No comment, first disk, no attributes.
    fields([0, 2], [0, 2], [0, 2], [0, 4], [isFar ? LARGEST_32 : offset, 4]),
    name,
    wide,
  ]);
}

function endRecords({ offset, size, count }: { offset: number; size: number; count: number }): Buffer {
  const isWide = offset >= LARGEST_32 || size >= LARGEST_32 || count >= LARGEST_16;
  const wide = isWide
    ? [
        fields([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4]),
        fields([count, 8], [count, 8], [size, 8], [offset, 8]),
        fields([0x07064b50, 4], [0, 4], [offset + size, 8], [1, 4]),
      ]
    : [];
  const entries = isWide ? LARGEST_16 : count;
  return Buffer.concat([
    ...wide,
    fields([0x06054b50, 4], [0, 2], [0, 2], [entries, 2], [entries, 2]),
    fields([isWide ? LARGEST_32 : size, 4], [isWide ? LARGEST_32 : offset, 4], [0, 2]),
  ]);
}
