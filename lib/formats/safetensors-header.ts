/**
 * The header of a safetensors file: parsed strictly, because its numbers decide what is read.
 * Format: u64 little-endian length N, N bytes of JSON `{ name: { dtype, shape, data_offsets: [begin, end] } }`, then the data;
 * offsets count from the end of the header and cover the data without holes.
 */

import type { TristageError } from '../core/errors.ts';
import { fileError } from './file-bytes.ts';
import { DTYPE_BYTES, elementCount, type HostDtype, isHostDtype } from './host-tensor.ts';
import { parseStrictJson, type StrictJson } from './strict-json.ts';

/** A header above this many bytes is refused before it is read; the format's own limit. */
export const LARGEST_HEADER = 100_000_000;

/** Bytes of the header length in front of the header. */
export const LENGTH_BYTES = 8;

const METADATA = '__metadata__';

/** What the header says of one tensor. */
export interface TensorInfo {
  readonly dtype: HostDtype;
  readonly shape: readonly number[];
  /** Offset of the first byte from the beginning of the file. */
  readonly position: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  /** In file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** An E_SAFETENSORS error about a key of a file. */
export function headerError(
  path: string,
  message: string,
  details: { found: string; expected: string },
): TristageError {
  return fileError(path, {
    code: 'E_SAFETENSORS',
    message,
    ...details,
    fix: 'the file is damaged, incomplete or not safetensors; fetch or write it again',
  });
}

/** Shortens what is quoted from a file that may be hostile. */
function quoted(value: unknown): string {
  const text = value instanceof Map ? 'an object' : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}

/**
 * Parses and checks a header against the file that holds it.
 * @param bytes the header without its length
 * @param file path for messages; bytes of the whole file
 * @throws TristageError E_SAFETENSORS naming file, key, found and expected
 */
export function parseHeader(bytes: Uint8Array, file: { path: string; size: number }): SafetensorsHeader {
  const root = parseRoot(bytes, file.path);
  const dataStart = LENGTH_BYTES + bytes.byteLength;
  const tensors = new Map<string, TensorInfo>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [key, value] of root) {
    if (key === METADATA) metadata = parseMetadata(value, file.path);
    else tensors.set(key, parseTensor(key, value, { path: file.path, dataStart, dataEnd: file.size }));
  }
  checkCoverage(tensors, { ...file, dataStart });
  return { tensors, metadata };
}

function parseRoot(bytes: Uint8Array, path: string): ReadonlyMap<string, StrictJson> {
  const expected = 'one JSON object in UTF-8 that begins at the first byte';
  let root: StrictJson;
  try {
    root = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw headerError(path, 'the header is not valid', { found: (error as Error).message, expected });
  }
  if (bytes[0] === 0x7b && root instanceof Map) return root;
  throw headerError(path, 'the header is not valid', { found: quoted(root), expected });
}

function parseMetadata(value: StrictJson, path: string): ReadonlyMap<string, string> {
  const wrong = (found: string): TristageError =>
    headerError(path, `${METADATA} is not valid`, { found, expected: 'an object of texts' });
  if (!(value instanceof Map)) throw wrong(quoted(value));
  for (const [key, text] of value) if (typeof text !== 'string') throw wrong(`${quoted(key)}: ${quoted(text)}`);
  return value as ReadonlyMap<string, string>;
}

function parseTensor(
  key: string,
  value: StrictJson,
  file: { path: string; dataStart: number; dataEnd: number },
): TensorInfo {
  const wrong = (found: string, expected: string): TristageError =>
    headerError(file.path, `tensor ${quoted(key)} is not valid`, { found, expected });
  if (!(value instanceof Map)) throw wrong(quoted(value), 'an object with dtype, shape, data_offsets');
  for (const field of value.keys()) {
    if (!['dtype', 'shape', 'data_offsets'].includes(field))
      throw wrong(quoted(field), 'dtype, shape, data_offsets only');
  }
  const dtype = value.get('dtype');
  if (typeof dtype !== 'string' || !isHostDtype(dtype)) {
    throw wrong(`dtype ${quoted(dtype)}`, Object.keys(DTYPE_BYTES).join(' '));
  }
  const shape = value.get('shape');
  const count = isWholeList(shape) ? elementCount(shape) : undefined;
  if (!isWholeList(shape) || count === undefined) {
    throw wrong(`shape ${quoted(shape)}`, 'a list of dimensions whose product is below 2^53');
  }
  const offsets = value.get('data_offsets');
  if (!isWholeList(offsets) || offsets.length !== 2) {
    throw wrong(`data_offsets ${quoted(offsets)}`, '[begin, end] in bytes');
  }
  const [begin, end] = offsets as [number, number];
  const dataBytes = file.dataEnd - file.dataStart;
  if (end < begin || end > dataBytes) {
    throw wrong(`data_offsets [${begin}, ${end}]`, `0 <= begin <= end <= ${dataBytes}, the bytes after the header`);
  }
  if (end - begin !== count * DTYPE_BYTES[dtype]) {
    const size = `${count * DTYPE_BYTES[dtype]} bytes for ${dtype} [${shape.join(', ')}]`;
    throw wrong(`data_offsets [${begin}, ${end}], ${end - begin} bytes`, size);
  }
  return { dtype, shape, position: file.dataStart + begin, byteLength: end - begin };
}

function isWholeList(value: StrictJson | undefined): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number' && item >= 0 && !Object.is(item, -0));
}

/** Every byte of the data belongs to exactly one tensor. */
function checkCoverage(
  tensors: ReadonlyMap<string, TensorInfo>,
  file: { path: string; size: number; dataStart: number },
): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.position - b.position || a.byteLength - b.byteLength);
  let end = file.dataStart;
  for (const [key, { position, byteLength }] of ordered) {
    if (position !== end) {
      throw headerError(
        file.path,
        `${position < end ? 'data overlaps' : 'data has a hole'} before tensor ${quoted(key)}`,
        {
          found: `begin ${position - file.dataStart}`,
          expected: `begin ${end - file.dataStart}, where the tensor before ends`,
        },
      );
    }
    end = position + byteLength;
  }
  if (end === file.size) return;
  throw headerError(file.path, 'the file goes on after its last tensor', {
    found: `${file.size} bytes`,
    expected: `${end} bytes`,
  });
}
