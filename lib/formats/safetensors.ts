/** safetensors files: read tensor by tensor through one file handle, written in a fixed order, so equal content is equal bytes. */

import { writeStreamAtomic } from '../core/atomic.ts';
import { type Allocate, type ByteFile, openByteFile, writeAll } from './file-bytes.ts';
import { DTYPE_BYTES, elementCount, fromFloat32, type HostTensor, toFloat32 } from './host-tensor.ts';
import {
  headerError,
  LARGEST_HEADER,
  LENGTH_BYTES,
  parseHeader,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors-header.ts';
import { readSource, type TensorSource } from './tensor-source.ts';

export type { TensorInfo } from './safetensors-header.ts';
export type { TensorSource } from './tensor-source.ts';

/** A name with half of a surrogate pair has no UTF-8 form. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** An open safetensors file. Only the header is in memory. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  /**
   * One tensor, in fresh memory.
   * @throws TristageError E_SAFETENSORS for a name that the file lacks, E_FILE_READ when the file is cut short
   */
  read(name: string): Promise<HostTensor>;
  /**
   * One tensor as F32, widened piece by piece: the narrow bytes are never all in memory.
   * @throws TristageError as `read`
   */
  readWide(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Where tensors are read to; default: arrays of their own. */
  allocate?: Allocate | undefined;
}

/** Stored bytes that are widened at a time; a multiple of every element's size. */
const PIECE_BYTES = 8 << 20;

/**
 * Opens a file and checks its whole header; no tensor is read yet. The caller closes it.
 * @throws TristageError E_SAFETENSORS when the header breaks a rule of the format, E_FILE_READ when the file cannot be read
 */
export async function openSafetensors(path: string, { allocate }: OpenOptions = {}): Promise<SafetensorsFile> {
  const file = await openByteFile(path);
  try {
    const header = await readHeader(file);
    const source: Source = { file, header, allocate };
    return {
      path,
      ...header,
      close: () => file.close(),
      read: (name) => readTensor(source, name),
      readWide: (name) => readWide(source, name),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeader(file: ByteFile): Promise<SafetensorsHeader> {
  const found = `${file.size} bytes`;
  if (file.size < LENGTH_BYTES) {
    throw headerError(file.path, 'the file is too short', { found, expected: `at least ${LENGTH_BYTES} bytes` });
  }
  const lengthBytes = await file.read(0, LENGTH_BYTES);
  const length = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  const largest = Math.min(LARGEST_HEADER, file.size - LENGTH_BYTES);
  if (length > BigInt(largest)) {
    throw headerError(file.path, 'the header length is not possible', {
      found: `a header of ${length} bytes in a file of ${found}`,
      expected: `at most ${largest} bytes`,
    });
  }
  return parseHeader(await file.read(LENGTH_BYTES, Number(length)), file);
}

/** An open file as its tensors are read. */
interface Source extends OpenOptions {
  file: ByteFile;
  header: SafetensorsHeader;
}

function infoOf({ file, header }: Source, name: string): TensorInfo {
  const info = header.tensors.get(name);
  if (info !== undefined) return info;
  const expected = `one of the file's ${header.tensors.size} tensors`;
  throw headerError(file.path, 'the file lacks a tensor', { found: `no ${JSON.stringify(name)}`, expected });
}

async function readWide(source: Source, name: string): Promise<HostTensor> {
  const { file, allocate = (length) => new Uint8Array(length) } = source;
  const { dtype, shape, position, byteLength } = infoOf(source, name);
  if (dtype === 'F32') return readTensor(source, name);
  const count = byteLength / DTYPE_BYTES[dtype];
  const values = new Float32Array(allocate(DTYPE_BYTES.F32 * count).buffer, 0, count);
  for (let at = 0; at < byteLength; at += PIECE_BYTES) {
    const bytes = await file.read(position + at, Math.min(PIECE_BYTES, byteLength - at));
    const piece = toFloat32({ dtype, shape: [bytes.byteLength / DTYPE_BYTES[dtype]], bytes });
    values.set(piece, at / DTYPE_BYTES[dtype]);
  }
  return fromFloat32(values, shape);
}

async function readTensor(source: Source, name: string): Promise<HostTensor> {
  const { dtype, shape, position, byteLength } = infoOf(source, name);
  return { dtype, shape: [...shape], bytes: await source.file.read(position, byteLength, source.allocate) };
}

/**
 * Reads a whole file; for files that fit in memory.
 * @returns tensors by name, in file order
 */
export async function readSafetensors(path: string): Promise<Map<string, HostTensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, HostTensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    return tensors;
  } finally {
    await file.close();
  }
}

/**
 * Writes tensors that are in memory. See {@link writeSafetensorsFrom} for order and errors.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sources = new Map<string, TensorSource>();
  for (const [name, tensor] of tensors) {
    sources.set(name, { dtype: tensor.dtype, shape: tensor.shape, read: () => tensor });
  }
  await writeSafetensorsFrom(path, sources, metadata);
}

/**
 * Writes a file tensor by tensor: widest dtype first, then by name, so that every tensor is aligned and the bytes do not depend
 * on the order of the map. The header is padded with spaces to a multiple of 8. The file appears whole or not at all.
 * @param metadata texts for `__metadata__`, written in the order of their keys; none, no entry
 * @throws TristageError E_SAFETENSORS for a name or shape that the format cannot hold, E_TENSOR for a source that does not keep its word
 */
export async function writeSafetensorsFrom(
  path: string,
  sources: ReadonlyMap<string, TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...sources].sort(
    ([nameA, a], [nameB, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  const header = buildHeader(path, ordered, metadata);
  await writeStreamAtomic(path, async (handle) => {
    await writeAll(handle, header);
    for (const [name, source] of ordered) await writeAll(handle, (await readSource(name, source)).bytes);
  });
}

function buildHeader(
  path: string,
  ordered: readonly (readonly [string, TensorSource])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const parts: string[] = [];
  const texts = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (texts.length > 0) parts.push(`"__metadata__":${objectText(texts)}`);
  let offset = 0;
  for (const [name, { dtype, shape }] of ordered) {
    const count = elementCount(shape);
    if (name === '__metadata__' || name === '__proto__' || LONE_SURROGATE.test(name) || count === undefined) {
      throw headerError(path, 'a tensor cannot be written', {
        found: `${JSON.stringify(name)} of shape [${shape.join(', ')}]`,
        expected: 'a name that is well-formed and not reserved, dimensions that are whole numbers',
      });
    }
    const end = offset + count * DTYPE_BYTES[dtype];
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  if (padded > LARGEST_HEADER) {
    throw headerError(path, 'too many tensors', {
      found: `a header of ${padded} bytes`,
      expected: `${LARGEST_HEADER}`,
    });
  }
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/** A JSON object whose keys keep the given order, even those that look like numbers. */
function objectText(entries: readonly (readonly [string, string])[]): string {
  return `{${entries.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`).join(',')}}`;
}
