/**
 * One cached image as a file: a header of fixed size, then what the tower made of it, little-endian. A reader knows beforehand how long
 * the file must be, so that nothing in it decides how much is read.
 *
 *     0  8 bytes   magic
 *     8  u32       number format
 *    12  u32       CRC-32 of everything else, the header first
 *    16  u64       values
 *    24  32 bytes  what it is of: the SHA-256 that is also its name
 *    56  values
 */

import { crc32 } from 'node:zlib';
import { bfloat16ToFloat32, float32ToBfloat16 } from '../../formats/half.ts';

/** Number format of cached features; bf16 halves the space and keeps 8 bits of precision. */
export type FeatureDtype = 'float32' | 'bf16';

/** What an entry must be to be used. */
export interface EntryShape {
  /** SHA-256 as 64 hexadecimal digits. */
  name: string;
  values: number;
  dtype: FeatureDtype;
}

const MAGIC = Buffer.from('tsfeat1\n', 'latin1');
const HEADER_BYTES = 56;
const CHECKSUM_AT = 12;
const FORMATS: Readonly<Record<FeatureDtype, { code: number; bytes: number }>> = {
  float32: { code: 1, bytes: 4 },
  bf16: { code: 2, bytes: 2 },
};

/** Bytes of a whole entry. */
export function entryBytes({ values, dtype }: Pick<EntryShape, 'values' | 'dtype'>): number {
  return HEADER_BYTES + values * FORMATS[dtype].bytes;
}

/** What an entry with these values gives back: the values themselves, or as bf16 rounds them. */
export function asKept(values: Float32Array, dtype: FeatureDtype): Float32Array {
  return dtype === 'float32' ? values : bfloat16ToFloat32(float32ToBfloat16(values));
}

/** The bytes of an entry. */
export function encodeEntry(values: Float32Array, shape: EntryShape): Uint8Array {
  const bytes = Buffer.alloc(entryBytes(shape));
  bytes.set(header(shape));
  const words = shape.dtype === 'float32' ? values : float32ToBfloat16(values);
  bytes.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), HEADER_BYTES);
  bytes.writeUInt32LE(checksum(bytes), CHECKSUM_AT);
  return bytes;
}

/**
 * The values of an entry, in the memory that it was read to where they are float32.
 * @param bytes u8[entryBytes(shape)], at the start of their own memory
 * @returns f32[values]; undefined for an entry of anything else, or with a byte changed
 */
export function decodeEntry(bytes: Uint8Array<ArrayBuffer>, shape: EntryShape): Float32Array | undefined {
  if (bytes.length !== entryBytes(shape)) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = view.readUInt32LE(CHECKSUM_AT);
  const expected = header(shape);
  expected.writeUInt32LE(found, CHECKSUM_AT);
  if (!view.subarray(0, HEADER_BYTES).equals(expected) || checksum(view) !== found) return undefined;
  const at = bytes.byteOffset + HEADER_BYTES;
  if (shape.dtype === 'float32') return new Float32Array(bytes.buffer, at, shape.values);
  return bfloat16ToFloat32(new Uint16Array(bytes.buffer, at, shape.values));
}

/** The header, its checksum left 0. */
function header({ name, values, dtype }: EntryShape): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMATS[dtype].code, MAGIC.length);
  bytes.writeBigUInt64LE(BigInt(values), CHECKSUM_AT + 4);
  bytes.write(name, 24, 'hex');
  return bytes;
}

function checksum(bytes: Buffer): number {
  const beforeIt = crc32(bytes.subarray(0, CHECKSUM_AT));
  return crc32(bytes.subarray(CHECKSUM_AT + 4), beforeIt);
}
