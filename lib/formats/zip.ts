/**
 * ZIP archives whose entries are stored, not compressed, as torch writes them; zip64 included. Since nothing is inflated and
 * no two entries may share bytes, an archive can never grow beyond its own size. Layout: PKWARE's APPNOTE, sections 4.3 to 4.5.
 */

import { crc32 } from 'node:zlib';
import type { TristageError } from '../core/errors.ts';
import { type ByteFile, fileError } from './file-bytes.ts';

const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const LONGEST_COMMENT = 65535;
const LARGEST_DIRECTORY = 64 << 20;
const UNKNOWN_32 = 0xffffffff;

/** An entry as the directory describes it. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly crc: number;
  readonly headerOffset: number;
  /** Where the next entry or the directory begins: the entry's data ends before. */
  readonly limit: number;
}

export interface ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** A whole entry, its checksum verified. */
  read(entry: ZipEntry): Promise<Uint8Array>;
  /** Some bytes of an entry. The first call for an entry streams all of it to verify the checksum. */
  readRange(entry: ZipEntry, range: { start: number; length: number }): Promise<Uint8Array>;
}

function zipError(path: string, message: string, details: { found: string; expected: string }): TristageError {
  return fileError(path, {
    code: 'E_ZIP',
    message,
    ...details,
    fix: 'the file is damaged, incomplete or not of this kind; fetch or save it again',
  });
}

/**
 * Reads the directory of an archive. The file stays the caller's.
 * @throws TristageError E_ZIP when the archive is damaged, or has entries that are compressed, encrypted or overlap
 */
export async function openZip(file: ByteFile): Promise<ZipArchive> {
  const directory = await findDirectory(file);
  const bytes = await file.read(directory.offset, directory.size);
  const entries = checkLayout(file.path, parseDirectory(file.path, bytes, directory), directory.offset);
  const verified = new Set<string>();
  const mismatch = (entry: ZipEntry, found: number): TristageError =>
    zipError(file.path, `entry ${JSON.stringify(entry.name)} is damaged`, {
      found: `checksum ${found.toString(16)}`,
      expected: entry.crc.toString(16),
    });
  return {
    entries,
    async read(entry) {
      const data = await file.read(await dataPosition(file, entry), entry.size);
      const found = crc32(data);
      if (found !== entry.crc) throw mismatch(entry, found);
      return data;
    },
    async readRange(entry, { start, length }) {
      const position = await dataPosition(file, entry);
      if (!verified.has(entry.name)) {
        let found = 0;
        for await (const piece of file.pieces(position, entry.size)) found = crc32(piece, found);
        if (found !== entry.crc) throw mismatch(entry, found);
        verified.add(entry.name);
      }
      if (start + length > entry.size) {
        const found = `${length} bytes at ${start} of ${entry.size}`;
        throw zipError(file.path, 'a range leaves its entry', { found, expected: 'a range inside' });
      }
      return await file.read(position + start, length);
    },
  };
}

interface DirectoryPlace {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

/** The end record lies before a comment of unknown length: the last one whose comment reaches the file's end counts. */
async function findDirectory(file: ByteFile): Promise<DirectoryPlace> {
  const length = Math.min(file.size, END_BYTES + LONGEST_COMMENT);
  const tailStart = file.size - length;
  const tail = await file.read(tailStart, length);
  const view = new DataView(tail.buffer);
  let at = length - END_BYTES;
  while (
    at >= 0 &&
    !(view.getUint32(at, true) === 0x06054b50 && view.getUint16(at + 20, true) === length - at - END_BYTES)
  ) {
    at--;
  }
  if (at < 0) {
    throw zipError(file.path, 'the archive has no end record', {
      found: `${file.size} bytes`,
      expected: 'a whole ZIP file',
    });
  }
  let place: DirectoryPlace = {
    count: view.getUint16(at + 10, true),
    size: view.getUint32(at + 12, true),
    offset: view.getUint32(at + 16, true),
  };
  const isZip64 = place.count === 0xffff || place.size === UNKNOWN_32 || place.offset === UNKNOWN_32;
  const disks = view.getUint16(at + 4, true) | view.getUint16(at + 6, true);
  if (isZip64) place = await findDirectory64(file, tailStart + at);
  const end = place.offset + place.size;
  if ((disks !== 0 && disks !== 0xffff) || !(end <= tailStart + at) || place.size > LARGEST_DIRECTORY) {
    throw zipError(file.path, 'the directory of the archive is not where it can be', {
      found: `${place.size} bytes at ${place.offset} of ${file.size}, disk ${disks}`,
      expected: `inside the file, at most ${LARGEST_DIRECTORY} bytes, one disk`,
    });
  }
  return place;
}

async function findDirectory64(file: ByteFile, endPosition: number): Promise<DirectoryPlace> {
  const wrong = (found: string): TristageError =>
    zipError(file.path, 'the zip64 end record is not valid', {
      found,
      expected: 'a locator and a record before the end',
    });
  if (endPosition < 20 + 56) throw wrong(`${endPosition} bytes before the end record`);
  const locator = new DataView((await file.read(endPosition - 20, 20)).buffer);
  const position = locator.getBigUint64(8, true);
  if (locator.getUint32(0, true) !== 0x07064b50 || position > BigInt(endPosition - 20 - 56)) throw wrong('no locator');
  const record = new DataView((await file.read(Number(position), 56)).buffer);
  if (record.getUint32(0, true) !== 0x06064b50) throw wrong('no record');
  return {
    count: Number(record.getBigUint64(32, true)),
    size: Number(record.getBigUint64(40, true)),
    offset: Number(record.getBigUint64(48, true)),
  };
}

type RawEntry = Omit<ZipEntry, 'limit'>;

function parseDirectory(path: string, bytes: Uint8Array, place: DirectoryPlace): RawEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: RawEntry[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const left = bytes.byteLength - at;
    if (left < ENTRY_BYTES || view.getUint32(at, true) !== 0x02014b50) {
      throw zipError(path, 'the directory is damaged', { found: `offset ${place.offset + at}`, expected: 'an entry' });
    }
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const total = ENTRY_BYTES + nameLength + extraLength + view.getUint16(at + 32, true);
    if (total > left)
      throw zipError(path, 'the directory ends early', { found: `${left} bytes`, expected: `${total}` });
    entries.push(
      parseEntry(path, new DataView(bytes.buffer, bytes.byteOffset + at, total), { nameLength, extraLength }),
    );
    at += total;
  }
  if (entries.length === place.count) return entries;
  throw zipError(path, 'the directory has another length than the archive says', {
    found: `${entries.length} entries`,
    expected: `${place.count}`,
  });
}

function parseEntry(path: string, view: DataView, lengths: { nameLength: number; extraLength: number }): RawEntry {
  const name = Buffer.from(view.buffer, view.byteOffset + ENTRY_BYTES, lengths.nameLength).toString('utf8');
  const flags = view.getUint16(8, true);
  const method = view.getUint16(10, true);
  if (method !== 0 || (flags & 0x2041) !== 0) {
    throw zipError(path, `entry ${JSON.stringify(name)} is compressed or encrypted`, {
      found: `method ${method}, flags ${flags.toString(16)}`,
      expected: 'stored entries, as torch.save writes them',
    });
  }
  const extra = new DataView(view.buffer, view.byteOffset + ENTRY_BYTES + lengths.nameLength, lengths.extraLength);
  const wide = wideFields(extra);
  const field = (offset: number): number => {
    const value = view.getUint32(offset, true);
    return value === UNKNOWN_32 ? (wide.shift() ?? value) : value;
  };
  const size = field(24);
  const stored = field(20);
  const headerOffset = field(42);
  if (size !== stored || !Number.isSafeInteger(size) || !Number.isSafeInteger(headerOffset)) {
    const found = `${size} bytes, stored as ${stored}, at ${headerOffset}`;
    throw zipError(path, `entry ${JSON.stringify(name)} is not valid`, { found, expected: 'equal sizes below 2^53' });
  }
  return { name, size, headerOffset, crc: view.getUint32(16, true) };
}

/** The 64-bit values of the zip64 extra field: size, stored size, offset, each only where the 32-bit one is all ones. */
function wideFields(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1) {
      const count = Math.floor(Math.min(length, extra.byteLength - at - 4) / 8);
      return Array.from({ length: Math.min(count, 3) }, (_, i) => Number(extra.getBigUint64(at + 4 + 8 * i, true)));
    }
    at += 4 + length;
  }
  return [];
}

/** Names are unique, entries follow one another without sharing bytes. */
function checkLayout(path: string, raw: RawEntry[], end: number): ReadonlyMap<string, ZipEntry> {
  const ordered = [...raw].sort((a, b) => a.headerOffset - b.headerOffset);
  const entries = new Map<string, ZipEntry>();
  for (const [i, entry] of ordered.entries()) {
    const limit = ordered[i + 1]?.headerOffset ?? end;
    if (entry.headerOffset + LOCAL_BYTES + entry.size > limit || entries.has(entry.name)) {
      throw zipError(path, `entry ${JSON.stringify(entry.name)} overlaps another or comes twice`, {
        found: `${entry.size} bytes at ${entry.headerOffset}`,
        expected: `an end before ${limit}, a name of its own`,
      });
    }
    entries.set(entry.name, { ...entry, limit });
  }
  return entries;
}

async function dataPosition(file: ByteFile, entry: ZipEntry): Promise<number> {
  const local = new DataView((await file.read(entry.headerOffset, LOCAL_BYTES)).buffer);
  const nameLength = local.getUint16(26, true);
  const position = entry.headerOffset + LOCAL_BYTES + nameLength + local.getUint16(28, true);
  const name = Buffer.from(await file.read(entry.headerOffset + LOCAL_BYTES, nameLength)).toString('utf8');
  if (local.getUint32(0, true) === 0x04034b50 && name === entry.name && position + entry.size <= entry.limit)
    return position;
  throw zipError(file.path, `entry ${JSON.stringify(entry.name)} is not where the directory says`, {
    found: `offset ${entry.headerOffset}`,
    expected: 'a local header of the same name, data before the next entry',
  });
}
