/**
 * GGUF files as weights. Their converter (convert_hf_to_gguf.py of llama.cpp, `permute`) stores the rows of LLaMA's q and k with the two
 * halves of each head alternating, because its rotation turns neighbouring pairs; here they are put back into Hugging Face's order.
 */

import type { TristageError } from '../core/errors.ts';
import { fileError } from '../formats/file-bytes.ts';
import { type GgufFile, type GgufValue, openGguf } from '../formats/gguf.ts';
import type { HostTensor } from '../formats/host-tensor.ts';
import type { WeightEntry, WeightsFile } from './weights.ts';

/** Architectures whose names and row order are known. */
const ARCHITECTURE = 'llama';

/** An E_GGUF_MODEL error: a sound file of something that is not read. */
export function ggufModelError(path: string, found: string, expected: string): TristageError {
  return fileError(path, {
    code: 'E_GGUF_MODEL',
    message: 'the file holds no language model that is read',
    found,
    expected,
    fix: 'use a GGUF file of a LLaMA, whole and in one file, or the safetensors of the model',
  });
}

/**
 * Opens a GGUF file of a LLaMA. Quantised tensors are read as F32; q and k come in Hugging Face's row order.
 * @throws TristageError E_GGUF, E_FILE_READ, E_GGUF_MODEL for another architecture, one part of several, or head counts that do not fit
 */
export async function openGgufWeights(path: string): Promise<WeightsFile> {
  const file = await openGguf(path);
  try {
    const heads = headCounts(file);
    const entries = new Map<string, WeightEntry>();
    for (const [name, { type, shape }] of file.tensors) {
      const stored = type.dequantise === undefined ? {} : { stored: type.name };
      entries.set(name, { dtype: type.dtype, shape, file: path, ...stored });
    }
    const read = async (name: string): Promise<HostTensor> => {
      const tensor = await file.read(name);
      const count = rotatedHeads(name, heads);
      return count === undefined ? tensor : inHalves(path, tensor, count);
    };
    return { path, entries, others: [], read, close: file.close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

interface HeadCounts {
  query: number;
  keyValue: number;
}

function rotatedHeads(name: string, { query, keyValue }: HeadCounts): number | undefined {
  const map = /^blk\.\d+\.attn_([qk])\.(weight|bias)$/.exec(name)?.[1];
  if (map === undefined) return undefined;
  return map === 'q' ? query : keyValue;
}

function headCounts({ path, metadata }: GgufFile): HeadCounts {
  const architecture = metadata.get('general.architecture');
  if (architecture !== ARCHITECTURE) {
    throw ggufModelError(path, `architecture ${JSON.stringify(architecture ?? 'unnamed')}`, ARCHITECTURE);
  }
  const parts = metadata.get('split.count') ?? 1;
  if (parts !== 0 && parts !== 1) throw ggufModelError(path, `one of ${String(parts)} parts`, 'a file that is whole');
  const query = ggufNumber(path, metadata, 'llama.attention.head_count');
  return { query, keyValue: ggufNumber(path, metadata, 'llama.attention.head_count_kv', query) };
}

/**
 * A number above 0 of the metadata.
 * @param fallback what an absent entry means; without it, absence is an error
 * @throws TristageError E_GGUF_MODEL
 */
export function ggufNumber(
  path: string,
  metadata: ReadonlyMap<string, GgufValue>,
  key: string,
  fallback?: number,
): number {
  const value = metadata.get(key) ?? fallback;
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw ggufModelError(path, `${key} ${value === undefined ? 'is missing' : shown(value)}`, 'a number above 0');
}

function shown(value: GgufValue): string {
  return (typeof value === 'object' ? `a list of ${value.length}` : String(value)).slice(0, 60);
}

/** Row `2 i + s` of a head becomes row `s * half + i`. */
function inHalves(path: string, tensor: HostTensor, heads: number): HostTensor {
  const rows = tensor.shape[0] ?? 0;
  const half = rows / heads / 2;
  if (!Number.isInteger(half)) throw ggufModelError(path, `${rows} rows of ${heads} heads`, 'heads of an even width');
  const rowBytes = rows === 0 ? 0 : tensor.bytes.byteLength / rows;
  const bytes = new Uint8Array(tensor.bytes.byteLength);
  for (let row = 0; row < rows; row++) {
    const [head, place] = [Math.floor(row / (2 * half)), row % (2 * half)];
    const from = head * 2 * half + 2 * (place % half) + Math.floor(place / half);
    bytes.set(tensor.bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return { dtype: tensor.dtype, shape: tensor.shape, bytes };
}
