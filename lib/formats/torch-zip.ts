/** Files of `torch.save`: a ZIP of one pickle and its storages, or the older chain of pickles. Tensors are read one at a time. */

import { type ByteFile, openByteFile } from './file-bytes.ts';
import { DTYPE_BYTES, elementCount, type HostTensor } from './host-tensor.ts';
import { PICKLE_LIMITS, unpickle } from './pickle.ts';
import { openLegacyStorages } from './torch-legacy.ts';
import {
  isTorchTensor,
  resolveStorage,
  shortText,
  type TorchStorage,
  type TorchStorages,
  type TorchTensor,
  torchError,
  torchGlobals,
} from './torch-pickle.ts';
import { plainValue, type TorchPlain } from './torch-plain.ts';
import { openZip } from './zip.ts';

export { isTorchTensor, type TorchTensor } from './torch-pickle.ts';
export type { TorchPlain } from './torch-plain.ts';

/** An open torch file. */
export interface TorchFile {
  readonly path: string;
  /** The saved object; dicts are objects without prototype, tensors are {@link TorchTensor}. */
  readonly value: TorchPlain<TorchTensor>;
  /** The elements of one tensor of `value`, row-major, in fresh memory. */
  read(tensor: TorchTensor): Promise<HostTensor>;
  close(): Promise<void>;
}

/** Expanded views may need more memory than the file has bytes; an eager read stops at four times the file and this. */
const EAGER_ALLOWANCE = 64 << 20;

/**
 * Opens a torch file and reads its structure, not its tensors. The caller closes it.
 * @throws TristageError E_TORCH_FILE, E_ZIP or E_PICKLE when the file is damaged, E_PICKLE_GLOBAL when it wants Python code
 */
export async function openTorchFile(path: string): Promise<TorchFile> {
  const file = await openByteFile(path);
  try {
    const storages = await openStorages(file);
    const value = plainValue(path, storages.root, (tensor) => tensor);
    return { path, value, read: (tensor) => readTensor(storages, tensor), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Reads a whole torch file into memory.
 * @returns the saved object; dicts are objects without prototype, tuples and sets arrays, tensors HostTensors
 * @throws as {@link openTorchFile}
 */
export async function readTorchFile(path: string): Promise<TorchPlain<HostTensor>> {
  const file = await openByteFile(path);
  try {
    const storages = await openStorages(file);
    const leaves = new Map<TorchTensor, HostTensor>();
    const value = plainValue(path, storages.root, (tensor) => {
      const leaf: HostTensor = { dtype: tensor.dtype, shape: tensor.shape, bytes: new Uint8Array(0) };
      leaves.set(tensor, leaf);
      return leaf;
    });
    const allowed = 4 * file.size + EAGER_ALLOWANCE;
    const total = [...leaves.keys()].reduce((sum, tensor) => sum + byteLength(tensor), 0);
    if (total > allowed) {
      const found = `${total} bytes of tensors in a file of ${file.size}`;
      throw torchError(path, 'the tensors are larger than the file can mean', {
        found,
        expected: `at most ${allowed}`,
      });
    }
    for (const [tensor, leaf] of leaves) leaf.bytes = (await readTensor(storages, tensor)).bytes;
    return value;
  } finally {
    await file.close();
  }
}

function byteLength(tensor: TorchTensor): number {
  return (elementCount(tensor.shape) ?? 0) * DTYPE_BYTES[tensor.dtype];
}

async function openStorages(file: ByteFile): Promise<TorchStorages> {
  const start = await file.read(0, Math.min(4, file.size));
  const isZip = start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
  return isZip ? await openZipStorages(file) : await openLegacyStorages(file);
}

async function openZipStorages(file: ByteFile): Promise<TorchStorages> {
  const archive = await openZip(file);
  const pickles = [...archive.entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    const found = `${pickles.length} entries */data.pkl`;
    throw torchError(file.path, 'the archive is not one of torch.save', { found, expected: 'exactly one' });
  }
  const folder = pickle.name.slice(0, -'data.pkl'.length);
  const order = archive.entries.get(`${folder}byteorder`);
  if (pickle.size > PICKLE_LIMITS.bytes || (order?.size ?? 0) > 100) {
    const found = `data.pkl of ${pickle.size} bytes, byteorder of ${order?.size ?? 0}`;
    throw torchError(file.path, 'the structure of the file is too large', {
      found,
      expected: `${PICKLE_LIMITS.bytes}`,
    });
  }
  const orderText = order === undefined ? 'little' : new TextDecoder().decode(await archive.read(order));
  if (orderText !== 'little') {
    throw torchError(file.path, 'the byte order is not supported', {
      found: orderText.slice(0, 40),
      expected: 'little',
    });
  }
  const storages = new Map<string, TorchStorage>();
  const { value } = unpickle(await archive.read(pickle), {
    where: file.path,
    globals: torchGlobals(file.path),
    persistentLoad: (id) => resolveStorage(file.path, id, storages),
  });
  for (const { key, dtype, elements } of storages.values()) {
    const size = archive.entries.get(`${folder}data/${key}`)?.size;
    if (size !== elements * DTYPE_BYTES[dtype]) {
      throw torchError(file.path, `storage ${shortText(key)} has another size than its tensors say`, {
        found: size === undefined ? 'no such entry' : `${size} bytes`,
        expected: `${elements} x ${dtype}`,
      });
    }
  }
  return {
    root: value,
    read: async ({ key, dtype, elements }, { start, length }) => {
      const entry = archive.entries.get(`${folder}data/${key}`)!;
      const size = DTYPE_BYTES[dtype];
      if (start === 0 && length === elements) return await archive.read(entry);
      return await archive.readRange(entry, { start: start * size, length: length * size });
    },
  };
}

/** Reads the smallest run of elements that holds the view, then gathers it unless it is row-major already. */
async function readTensor(storages: TorchStorages, tensor: TorchTensor): Promise<HostTensor> {
  if (!isTorchTensor(tensor)) throw new TypeError('not a tensor of a torch file');
  const { dtype, shape, stride, offset, storage } = tensor;
  const count = elementCount(shape) ?? 0;
  if (count === 0) return { dtype, shape: [...shape], bytes: new Uint8Array(0) };
  const length = shape.reduce((sum, size, i) => sum + (size - 1) * stride[i]!, 1);
  const run = await storages.read(storage, { start: offset, length });
  const bytes = isRowMajor(shape, stride) ? run : gather(run, { shape, stride, size: DTYPE_BYTES[dtype] });
  return { dtype, shape: [...shape], bytes };
}

function isRowMajor(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && stride[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/** Copies a strided view element by element in row-major order. */
function gather(
  run: Uint8Array,
  view: { shape: readonly number[]; stride: readonly number[]; size: number },
): Uint8Array {
  const { shape, stride, size } = view;
  const count = elementCount(shape) ?? 0;
  const result = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < count; to++) {
    for (let byte = 0; byte < size; byte++) result[to * size + byte] = run[from * size + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= stride[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
