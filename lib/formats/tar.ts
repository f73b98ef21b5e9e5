/**
 * Tar archives by random access: headers are scanned once, then any member is read by its offset without unpacking. Nothing
 * is ever written to a path that an archive names; names that could escape a folder are refused all the same, as are links,
 * devices and sparse files, for they have no place in a data set.
 */

import { TristageError } from '../core/errors.ts';
import { noteRead } from '../core/read-progress.ts';
import { type ByteFile, withByteFile } from './file-bytes.ts';
import {
  decodeName,
  isZeroBlock,
  type PaxRecords,
  parsePaxRecords,
  parseTarHeader,
  TAR_BLOCK,
  TarFieldError,
  type TarHeader,
} from './tar-header.ts';

/** A regular file in a tar. */
export interface TarMember {
  /** Path within the archive, without a leading `./`. */
  readonly name: string;
  /** First byte of the content within the archive. */
  readonly offset: number;
  /** Bytes of the content. */
  readonly size: number;
}

/** Headers are read in pieces of this size: the text members of a web data set and the next header fit in one. */
const WINDOW_BYTES = 16384;
/** A PAX header or long name beyond this is an attack or damage. */
const MAX_EXTENSION_BYTES = 1 << 20;
const MAX_NAME = 4096;
/** What is known of each member is held in memory: more would be an archive made to fill it. */
const MAX_MEMBERS = 1_000_000;
/** Zeros after the end mark: writers fill up to a block of some KiB, never this far. */
const MAX_PADDING = 1 << 26;
/** One member that is read into memory at once. */
const MAX_MEMBER_BYTES = 1 << 30;

/** What the headers before a member say of it. */
type Pending = { -readonly [key in keyof PaxRecords]: PaxRecords[key] };

/**
 * Opens a tar and scans its headers.
 * @returns every regular file in archive order; directories are passed over
 * @throws TristageError E_FILE_READ when it cannot be read; E_TAR for damage, E_TAR_TRUNCATED when it ends early,
 *   E_TAR_MEMBER for a member that a data set must not hold
 */
export async function indexTar(path: string): Promise<TarMember[]> {
  return withTarFile(path, (file) => scan(file));
}

/** As {@link withByteFile}; its errors are data errors. */
export async function withTarFile<T>(path: string, work: (file: ByteFile) => Promise<T>): Promise<T> {
  try {
    return await withByteFile(path, work);
  } catch (error) {
    throw error instanceof TristageError ? asDataError(error) : error;
  }
}

function asDataError(error: TristageError): TristageError {
  if (error.kind === 'data') return error;
  const { code, message, where, found, expected, fix, cause } = error;
  const details = Object.entries({ where, found, expected, fix, cause }).filter(([, value]) => value !== undefined);
  return new TristageError({ kind: 'data', code, message, ...Object.fromEntries(details) });
}

/**
 * The content of a member.
 * @throws TristageError E_FILE_READ when the file has changed, E_TAR_MEMBER for more than 1 GiB
 */
export async function readTarMember(path: string, member: TarMember): Promise<Uint8Array> {
  return withTarFile(path, (file) => readMember(file, member));
}

/** As {@link readTarMember}, of a tar that is open. */
export async function readMember(file: ByteFile, member: TarMember): Promise<Uint8Array> {
  const { name, size, offset } = member;
  if (size > MAX_MEMBER_BYTES) {
    throw tarError(file.path, 'E_TAR_MEMBER', `${name} of ${size} bytes`, `at most ${MAX_MEMBER_BYTES} bytes`);
  }
  return file.read(offset, size);
}

async function scan(file: ByteFile): Promise<TarMember[]> {
  const members: TarMember[] = [];
  const read = windowed(file);
  let pending: Pending = {};
  let global: PaxRecords = {};
  for (let at = 0; ; ) {
    const block = await read(at, TAR_BLOCK);
    if (isZeroBlock(block)) {
      if (Object.keys(pending).length > 0)
        throw tarError(file.path, 'E_TAR', 'a header without its member', 'a member');
      await checkNothingFollows(file, at);
      return members;
    }
    const header = inFile(file, at, () => parseTarHeader(block));
    const content = at + TAR_BLOCK;
    const extension = 'xgLK'.includes(header.type);
    const size = extension ? header.size : (pending.size ?? global.size ?? header.size);
    checkFits(file, { header, at, size });
    if (extension) {
      if (size > MAX_EXTENSION_BYTES) throw tarError(file.path, 'E_TAR', `a header of ${size} bytes`, 'at most 1 MiB');
      const bytes = await read(content, size);
      if (header.type === 'g') global = { ...global, ...inFile(file, at, () => parsePaxRecords(bytes)) };
      else pending = { ...pending, ...inFile(file, at, () => extend(header.type, bytes)) };
    } else {
      const name = checkName(file, pending.path ?? global.path ?? header.name, at);
      if (isRegular(file, { type: header.type, name, at })) members.push({ name, offset: content, size });
      if (members.length > MAX_MEMBERS) {
        throw tarError(file.path, 'E_TAR', `more than ${MAX_MEMBERS} members`, 'several smaller archives');
      }
      pending = {};
    }
    at = content + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    noteRead(file.path, at);
  }
}

function extend(type: string, bytes: Uint8Array): PaxRecords {
  if (type === 'x') return parsePaxRecords(bytes);
  return type === 'L' ? { path: decodeName(bytes) } : {};
}

/** Reads by windows that start where they are asked for, so that neighbouring headers cost one system call. */
function windowed(file: ByteFile): (position: number, length: number) => Promise<Uint8Array> {
  let start = 0;
  let window: Uint8Array = new Uint8Array(0);
  return async (position, length) => {
    if (position < start || position + length > start + window.length) {
      if (position + length > file.size) throw truncated(file, `the file ends at byte ${file.size}`, position + length);
      start = position;
      window = await file.read(start, Math.min(Math.max(WINDOW_BYTES, length), file.size - start));
    }
    return window.subarray(position - start, position - start + length);
  };
}

/** Archives end in zeros. Anything else there, such as a second archive appended, would be lost in silence. */
async function checkNothingFollows(file: ByteFile, at: number): Promise<void> {
  if (file.size - at > MAX_PADDING) {
    const found = `${file.size - at} bytes after the end mark at byte ${at}`;
    throw tarError(file.path, 'E_TAR', found, `at most ${MAX_PADDING}, all zeros`);
  }
  for await (const piece of file.pieces(at, file.size - at)) {
    if (piece.some((byte) => byte !== 0)) {
      throw tarError(file.path, 'E_TAR', `data after the end mark at byte ${at}`, 'zeros up to the end of the file');
    }
  }
}

function checkFits(file: ByteFile, member: { header: TarHeader; at: number; size: number }): void {
  const end = member.at + TAR_BLOCK + member.size;
  if (end > file.size) {
    throw truncated(file, `${member.header.name}: ${member.size} bytes at ${member.at + TAR_BLOCK}`, end);
  }
}

/** True for a file, false for a folder; anything else has no place in a data set. */
function isRegular({ path }: ByteFile, { type, name, at }: { type: string; name: string; at: number }): boolean {
  if (type === '0' || type === '7') return true;
  if (type === '5') return false;
  const kinds: Readonly<Record<string, string>> = {
    1: 'a hard link',
    2: 'a symbolic link',
    3: 'a character device',
    4: 'a block device',
    6: 'a pipe',
    S: 'a sparse file',
  };
  const kind = kinds[type] ?? `a member of type ${JSON.stringify(type)}`;
  throw tarError(path, 'E_TAR_MEMBER', `${name}, ${kind}, at byte ${at}`, 'regular files and folders');
}

function checkName({ path }: ByteFile, stated: string, at: number): string {
  const name = stated.replace(/^(\.\/+)+/, '');
  const refuse = (why: string): TristageError =>
    tarError(
      path,
      'E_TAR_MEMBER',
      `the name ${JSON.stringify(stated.slice(0, 200))} at byte ${at}: ${why}`,
      'a relative path inside',
    );
  if (stated === '' || name.length > MAX_NAME) throw refuse(stated === '' ? 'empty' : 'too long');
  if (/^([/\\]|[A-Za-z]:)/.test(name)) throw refuse('absolute');
  if (name.split(/[/\\]/).includes('..')) throw refuse('leads outside');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\x00-\x1f\x7f]/.test(name)) throw refuse('control characters');
  return name;
}

function inFile<T>(file: ByteFile, at: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TarFieldError)) throw error;
    throw tarError(file.path, 'E_TAR', `${error.message}, at byte ${at}`, error.expected);
  }
}

function truncated(file: ByteFile, found: string, needed: number): TristageError {
  return tarError(
    file.path,
    'E_TAR_TRUNCATED',
    found,
    `a file of at least ${needed} bytes with an end mark; it has ${file.size}`,
  );
}

function tarError(path: string, code: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code,
    message: 'the tar archive cannot be used',
    where: path,
    found,
    expected,
    fix: code === 'E_TAR_MEMBER' ? 'make the archive again without this member' : 'fetch or write the archive again',
  });
}
