/**
 * Weights as TensorFlow.js reads them with `tf.io.loadWeights`: a manifest of groups, each with its tensors in a row and the files that
 * these bytes were cut into. Half precision is TensorFlow.js's quantisation `float16`: stored in two bytes, float32 after loading.
 */

import { open, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { TristageError } from '../core/errors.ts';
import { fileError, openByteFile, writeAll } from './file-bytes.ts';
import { DTYPE_BYTES, elementCount, type HostTensor } from './host-tensor.ts';
import { readSource, type TensorSource } from './tensor-source.ts';

/** Name of the manifest in its folder. */
export const TFJS_MANIFEST = 'weights_manifest.json';

/** Size of a file that browsers cache well; TensorFlow.js's own converter cuts there too. */
const SHARD_BYTES = 4 << 20;

/** Tensors that are loaded together. */
export interface TfjsGroup {
  /** Begins the names of its files. */
  name: string;
  /** F32, or F16 for half precision on disk. */
  weights: ReadonlyMap<string, TensorSource>;
}

type TfjsDtype = 'F32' | 'F16';

/** Where a tensor lies. */
export interface TfjsEntry {
  readonly dtype: TfjsDtype;
  readonly shape: readonly number[];
  /** Files of its group in order. */
  readonly files: readonly string[];
  /** Byte within the group. */
  readonly offset: number;
}

/** An open folder of weights. */
export interface TfjsWeights {
  readonly entries: ReadonlyMap<string, TfjsEntry>;
  /** One tensor in fresh memory, of the dtype on disk. */
  read(name: string): Promise<HostTensor>;
}

/**
 * Writes the manifest and the files of every group that has a tensor, tensor by tensor, into a folder that exists.
 * @param shardBytes where the bytes of a group are cut; a tensor may lie in several files. Default 4 MiB
 * @throws TristageError E_TFJS_WEIGHTS for a dtype that TensorFlow.js does not load, E_TENSOR for a source that does not keep its word
 */
export async function writeTfjsWeights(
  folder: string,
  groups: readonly TfjsGroup[],
  shardBytes: number = SHARD_BYTES,
): Promise<void> {
  const manifest: unknown[] = [];
  for (const { name, weights } of groups) {
    if (weights.size === 0) continue;
    const entries = [...weights].map(([weight, source]) => manifestEntry(folder, weight, source));
    const size = [...weights.values()].reduce((sum, source) => sum + byteLength(source), 0);
    const count = Math.max(1, Math.ceil(size / shardBytes));
    const paths = Array.from({ length: count }, (_, i) => `${name}-shard${i + 1}of${count}.bin`);
    await writeShards({ folder, paths, shardBytes, weights });
    manifest.push({ paths, weights: entries });
  }
  await writeFile(join(folder, TFJS_MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
}

function byteLength({ dtype, shape }: Pick<TensorSource, 'dtype' | 'shape'>): number {
  return (elementCount(shape) ?? 0) * DTYPE_BYTES[dtype];
}

function manifestEntry(folder: string, name: string, { dtype, shape }: TensorSource): object {
  if (dtype === 'F32') return { name, shape, dtype: 'float32' };
  if (dtype !== 'F16') throw wrong(folder, `${name} of dtype ${dtype}`, 'F32 or F16');
  return { name, shape, dtype: 'float32', quantization: { original_dtype: 'float32', dtype: 'float16' } };
}

function wrong(where: string, found: string, expected: string): TristageError {
  return fileError(where, {
    code: 'E_TFJS_WEIGHTS',
    message: 'these are no weights for TensorFlow.js',
    found: found.slice(0, 200),
    expected,
    fix: 'the folder is damaged or of another kind; export the run again',
  });
}

async function writeShards(request: {
  folder: string;
  paths: readonly string[];
  shardBytes: number;
  weights: ReadonlyMap<string, TensorSource>;
}): Promise<void> {
  const { folder, paths, shardBytes, weights } = request;
  const openShard = (place: number) => open(join(folder, paths[place] as string), 'wx');
  let shard = 0;
  let room = shardBytes;
  let handle = await openShard(shard);
  try {
    for (const [name, source] of weights) {
      const { bytes } = await readSource(name, source);
      for (let at = 0; at < bytes.byteLength; ) {
        if (room === 0) {
          await handle.close();
          handle = await openShard(++shard);
          room = shardBytes;
        }
        const piece = bytes.subarray(at, at + room);
        await writeAll(handle, piece);
        at += piece.byteLength;
        room -= piece.byteLength;
      }
    }
  } finally {
    await handle.close();
  }
}

/**
 * Reads the manifest of a folder that {@link writeTfjsWeights} wrote; tensors are read when asked for.
 * @throws TristageError E_TFJS_WEIGHTS when the manifest is damaged or names a file outside the folder, E_FILE_READ when a file is
 *   absent or too short
 */
export async function openTfjsWeights(folder: string): Promise<TfjsWeights> {
  const path = join(folder, TFJS_MANIFEST);
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw wrong(path, (error as Error).message, 'a JSON file');
  }
  if (!Array.isArray(raw)) throw wrong(path, typeof raw, 'a list of groups');
  const entries = new Map<string, TfjsEntry>();
  for (const group of raw) addGroup(path, group, entries);
  return {
    entries,
    read: async (name) => {
      const entry = entries.get(name);
      if (entry === undefined) throw wrong(path, `no ${name}`, `one of ${entries.size} weights`);
      return { dtype: entry.dtype, shape: [...entry.shape], bytes: await readEntry(folder, entry) };
    },
  };
}

/** Any JSON object, of which nothing is known. */
type Unknown = Partial<Readonly<Record<string, unknown>>>;

function addGroup(path: string, group: unknown, entries: Map<string, TfjsEntry>): void {
  const { paths, weights } = (group ?? {}) as Unknown;
  const isFileName = (file: unknown): file is string =>
    typeof file === 'string' && basename(file) === file && /^\w[\w.-]*$/.test(file);
  if (!Array.isArray(paths) || !paths.every(isFileName) || !Array.isArray(weights)) {
    throw wrong(path, JSON.stringify(paths) ?? 'nothing', 'paths, names of files in this folder, and weights');
  }
  let offset = 0;
  for (const weight of weights as unknown[]) {
    const { name, shape, dtype, quantization } = (weight ?? {}) as Unknown;
    const stored = quantization === undefined ? 'F32' : 'F16';
    const isHalf = (quantization as Unknown | undefined)?.['dtype'] === 'float16';
    const isShape = Array.isArray(shape) && elementCount(shape) !== undefined;
    if (typeof name !== 'string' || !isShape || dtype !== 'float32' || (stored === 'F16' && !isHalf)) {
      throw wrong(
        path,
        JSON.stringify(weight) ?? 'nothing',
        'a name, a shape, dtype float32, at most quantised to float16',
      );
    }
    if (entries.has(name)) throw wrong(path, `${name} twice`, 'each weight once');
    const entry: TfjsEntry = { dtype: stored, shape, files: paths, offset };
    entries.set(name, entry);
    offset += byteLength(entry);
  }
}

/** Gathers a tensor from the files that its bytes lie in; memory is taken only for bytes that are there. */
async function readEntry(folder: string, entry: TfjsEntry): Promise<Uint8Array> {
  const wanted = byteLength(entry);
  const pieces: Uint8Array[] = [];
  let start = entry.offset;
  let done = 0;
  for (const name of entry.files) {
    if (done === wanted) break;
    const file = await openByteFile(join(folder, name));
    try {
      const length = Math.min(file.size - start, wanted - done);
      if (length > 0) pieces.push(await file.read(start, length));
      done += Math.max(0, length);
      start = Math.max(0, start - file.size);
    } finally {
      await file.close();
    }
  }
  if (done !== wanted) throw wrong(folder, `${done} bytes of a weight`, `${wanted}`);
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : joined(pieces, wanted);
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}
