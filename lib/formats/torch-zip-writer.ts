/**
 * Files that `torch.load` reads, `weights_only=True` included: a ZIP of one pickle and a storage for each tensor, as `torch.save`
 * lays it out (torch/serialization.py). Tensors are fetched one at a time; equal content gives equal bytes.
 */

import { writeStreamAtomic } from '../core/atomic.ts';
import { writeAll } from './file-bytes.ts';
import { elementCount, type HostDtype } from './host-tensor.ts';
import { call, type PickleValue, persistent, pickle, pythonName, setItems, tuple } from './pickle-writer.ts';
import { readSource, type TensorSource } from './tensor-source.ts';
import { torchError } from './torch-pickle.ts';
import { zipWriter } from './zip-writer.ts';

/** What a torch file can hold: a Map is a dict in its order. */
export type TorchValue =
  | null
  | boolean
  | number
  | string
  | readonly TorchValue[]
  | ReadonlyMap<string, TorchValue>
  | TensorSource;

/** Torch names storages of these dtypes; others it writes in a way that versions before 2.3 do not read. */
const STORAGE: Readonly<Partial<Record<HostDtype, string>>> = {
  F64: 'DoubleStorage',
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  I64: 'LongStorage',
  I32: 'IntStorage',
  I16: 'ShortStorage',
  I8: 'CharStorage',
  U8: 'ByteStorage',
  BOOL: 'BoolStorage',
};

/** The dtypes that torch files hold here. */
export const TORCH_DTYPES = Object.keys(STORAGE) as readonly HostDtype[];

/** The folder inside the archive. `torch.save` takes the file's name; a fixed one keeps the bytes free of it. */
const TOP = 'archive';
const ORDERED_DICT = pythonName('collections', 'OrderedDict');
const REBUILD = pythonName('torch._utils', '_rebuild_tensor_v2');

/**
 * Writes a torch file; it appears whole or not at all. Each tensor gets a storage of its own, row-major, on the CPU.
 * @param root the saved object; dicts become OrderedDicts, as state dicts are. With `weights_only=True`, torch before 2.0 takes no
 *   number with a fraction outside of tensors
 * @throws TristageError E_TORCH_FILE for a shape that no tensor has or a dtype without a storage, E_TENSOR for a source that does not keep its word
 */
export async function writeTorchFile(path: string, root: ReadonlyMap<string, TorchValue>): Promise<void> {
  const storages: TensorSource[] = [];
  const structure = pickle(pickled(path, root, storages));
  await writeStreamAtomic(path, async (handle) => {
    const archive = zipWriter((bytes) => writeAll(handle, bytes));
    await archive.add(`${TOP}/data.pkl`, structure);
    await archive.add(`${TOP}/byteorder`, Buffer.from('little'));
    for (const [key, source] of storages.entries()) {
      const name = `${TOP}/data/${key}`;
      await archive.add(name, (await readSource(name, source)).bytes);
    }
    await archive.add(`${TOP}/version`, Buffer.from('3\n'));
    await archive.end();
  });
}

function pickled(path: string, value: TorchValue, storages: TensorSource[]): PickleValue {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [key, pickled(path, item, storages)] as const);
    return setItems(call(ORDERED_DICT), new Map(entries));
  }
  if (Array.isArray(value)) return value.map((item) => pickled(path, item, storages));
  storages.push(value as TensorSource);
  return tensorOpcodes(path, value as TensorSource, String(storages.length - 1));
}

function tensorOpcodes(path: string, { dtype, shape }: TensorSource, key: string): Uint8Array {
  const elements = elementCount(shape);
  if (elements === undefined) {
    const found = `shape [${shape.join(', ')}]`;
    throw torchError(path, 'a tensor cannot be written', { found, expected: 'dimensions that are whole numbers' });
  }
  const kind = STORAGE[dtype];
  if (kind === undefined) {
    const expected = TORCH_DTYPES.join(' ');
    throw torchError(path, 'a tensor cannot be written', { found: `dtype ${dtype}`, expected });
  }
  const storage = persistent(tuple('storage', pythonName('torch', kind), key, 'cpu', elements));
  // Storage, offset, sizes, strides, requires_grad, hooks.
  return call(REBUILD, storage, 0, tuple(...shape), tuple(...rowMajor(shape)), false, call(ORDERED_DICT));
}

/** Strides in elements; as torch has it, an empty dimension counts as one. */
function rowMajor(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (const size of [...shape].reverse()) {
    strides.unshift(step);
    step *= Math.max(size, 1);
  }
  return strides;
}
