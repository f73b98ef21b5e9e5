/**
 * GGUF files, versions 2 and 3, little-endian (layout: ggml's docs/gguf.md): magic, version, counts, metadata, tensor infos, then the
 * data, where each tensor begins at a multiple of `general.alignment`. Tensors are read one at a time and quantised ones widened.
 */

import type { TristageError } from '../core/errors.ts';
import { type ByteFile, openByteFile } from './file-bytes.ts';
import { type GgufCursor, ggufCursor, ggufError } from './gguf-cursor.ts';
import { GGUF_TYPES, type GgufType, UNREAD_TYPES } from './gguf-quants.ts';
import { type GgufValue, ggufValue, itemBudget } from './gguf-values.ts';
import { elementCount, type HostTensor } from './host-tensor.ts';

export type { GgufValue } from './gguf-values.ts';

/** `GGUF` as the first four bytes. */
export const GGUF_MAGIC = 0x46554747;

const VERSIONS = [2, 3];
const MOST_TENSORS = 100_000;
const MOST_ENTRIES = 65_536;
const LONGEST_NAME = 4096;
/** Of the format. */
const MOST_AXES = 4;
const DEFAULT_ALIGNMENT = 32;
const LARGEST_ALIGNMENT = 1 << 20;

/** A tensor that has not been read. */
export interface GgufTensor {
  readonly type: GgufType;
  /** Row-major: the fastest axis is the last, as everywhere here; the file has them the other way round. */
  readonly shape: readonly number[];
  /** First byte within the file. */
  readonly position: number;
  readonly byteLength: number;
}

/** An open GGUF file. Only its head is in memory. */
export interface GgufFile {
  readonly path: string;
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /**
   * One tensor in fresh memory; quantised types come as F32, others as they are.
   * @throws TristageError E_GGUF for a name that the file lacks, E_FILE_READ when the file is cut short
   */
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

/**
 * Opens a file and checks its whole head against its size; no tensor is read yet. The caller closes it.
 * @throws TristageError E_GGUF naming the field that breaks a rule, E_FILE_READ
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const file = await openByteFile(path);
  try {
    const head = await readHead(file);
    return { path, ...head, read: (name) => readTensor(file, head.tensors, name), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHead(file: ByteFile): Promise<Pick<GgufFile, 'version' | 'metadata' | 'tensors'>> {
  const cursor = ggufCursor(file);
  const magic = await cursor.u32();
  if (magic !== GGUF_MAGIC) throw cursor.wrong('this is no GGUF file', `magic 0x${magic.toString(16)}`, 'GGUF');
  const version = await cursor.u32();
  if (!VERSIONS.includes(version)) {
    const swapped = VERSIONS.includes(version >>> 24) && (version & 0xffffff) === 0;
    const found = swapped ? 'a big-endian file' : `version ${version}`;
    throw cursor.wrong('this version of GGUF is not read', found, 'version 2 or 3, little-endian');
  }
  const tensorCount = await cursor.count('the number of tensors', MOST_TENSORS);
  const metadata = await readMetadata(cursor, await cursor.count('the number of metadata entries', MOST_ENTRIES));
  const alignment = alignmentOf(cursor, metadata);
  const infos = await readInfos(cursor, tensorCount);
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  return { version, metadata, tensors: placed(file, infos, { dataStart, alignment }) };
}

async function readMetadata(cursor: GgufCursor, count: number): Promise<ReadonlyMap<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  const budget = itemBudget();
  for (let i = 0; i < count; i++) {
    const key = await cursor.text('a metadata key', LONGEST_NAME);
    if (metadata.has(key)) throw cursor.wrong('a metadata key occurs twice', JSON.stringify(key), 'each key once');
    metadata.set(key, await ggufValue(cursor, budget));
  }
  return metadata;
}

function alignmentOf(cursor: GgufCursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  const isPower = typeof alignment === 'number' && alignment >= 8 && Number.isInteger(Math.log2(alignment));
  if (isPower && alignment <= LARGEST_ALIGNMENT) return alignment;
  throw cursor.wrong('the alignment is not possible', JSON.stringify(String(alignment)), 'a power of two from 8');
}

interface Info extends Pick<GgufTensor, 'type' | 'shape' | 'byteLength'> {
  readonly name: string;
  /** From the beginning of the data. */
  readonly offset: number;
}

async function readInfos(cursor: GgufCursor, count: number): Promise<Info[]> {
  const infos: Info[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const info = await readInfo(cursor);
    if (names.has(info.name)) {
      throw cursor.wrong('a tensor occurs twice', JSON.stringify(info.name), 'each name once');
    }
    names.add(info.name);
    infos.push(info);
  }
  return infos;
}

async function readInfo(cursor: GgufCursor): Promise<Info> {
  const name = await cursor.text('a tensor name', LONGEST_NAME);
  const wrong = (found: string, expected: string): TristageError =>
    cursor.wrong(`tensor ${JSON.stringify(name.slice(0, 120))} is not valid`, found, expected);
  const axes = await cursor.u32();
  if (axes > MOST_AXES) throw wrong(`${axes} axes`, `at most ${MOST_AXES}`);
  const shape: number[] = [];
  for (let axis = 0; axis < axes; axis++) shape.unshift(await cursor.count('an axis', Number.MAX_SAFE_INTEGER));
  const number = await cursor.u32();
  const type = GGUF_TYPES[number];
  if (type === undefined) {
    const known = Object.values(GGUF_TYPES).map((known) => known?.name);
    throw wrong(`type ${UNREAD_TYPES[number] ?? number}`, known.join(' '));
  }
  const offset = await cursor.count('the offset of a tensor', Number.MAX_SAFE_INTEGER);
  const count = elementCount(shape);
  if (count === undefined || (shape.at(-1) ?? 1) % type.values !== 0) {
    throw wrong(
      `${type.name} [${shape.join(', ')}]`,
      `fewer than 2^53 values in rows of whole blocks of ${type.values}`,
    );
  }
  return { name, type, shape, offset, byteLength: (count / type.values) * type.bytes };
}

/** Every tensor begins where the one before ends, but for the alignment, and the file ends with the last. */
function placed(
  file: ByteFile,
  infos: readonly Info[],
  { dataStart, alignment }: { dataStart: number; alignment: number },
): ReadonlyMap<string, GgufTensor> {
  const padded = (size: number): number => Math.ceil(size / alignment) * alignment;
  let end = 0;
  for (const { name, offset, byteLength } of [...infos].sort(
    (a, b) => a.offset - b.offset || a.byteLength - b.byteLength,
  )) {
    if (offset !== padded(end)) {
      const found = `tensor ${JSON.stringify(name.slice(0, 120))} at ${offset}`;
      throw ggufError(file.path, 'tensors overlap or leave a hole', { found, expected: `a tensor at ${padded(end)}` });
    }
    end = offset + byteLength;
  }
  const dataBytes = Math.max(0, file.size - dataStart);
  if (end > dataBytes || dataBytes > padded(end)) {
    const found = `${dataBytes} bytes of data`;
    throw ggufError(file.path, 'the data do not fit the tensors', {
      found,
      expected: `${end} bytes and their padding`,
    });
  }
  return new Map(
    infos.map(({ name, offset, ...rest }): [string, GgufTensor] => [name, { ...rest, position: dataStart + offset }]),
  );
}

async function readTensor(file: ByteFile, tensors: GgufFile['tensors'], name: string): Promise<HostTensor> {
  const tensor = tensors.get(name);
  if (tensor === undefined) {
    const expected = `one of the file's ${tensors.size} tensors`;
    throw ggufError(file.path, 'the file lacks a tensor', { found: `no ${JSON.stringify(name)}`, expected });
  }
  const { type, shape, position, byteLength } = tensor;
  const stored = await file.read(position, byteLength);
  const values = type.dequantise?.(stored);
  return { dtype: type.dtype, shape: [...shape], bytes: values === undefined ? stored : new Uint8Array(values.buffer) };
}
