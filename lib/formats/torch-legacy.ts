/**
 * The container of torch before 1.6: pickles of a magic number, a protocol number, facts of the machine, the object and the list of
 * storage keys; then each storage as an int64 element count and its bytes.
 */

import type { TristageError } from '../core/errors.ts';
import type { ByteFile } from './file-bytes.ts';
import { DTYPE_BYTES } from './host-tensor.ts';
import { PICKLE_LIMITS, unpickle } from './pickle.ts';
import { resolveStorage, type TorchStorage, type TorchStorages, torchError, torchGlobals } from './torch-pickle.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/**
 * Reads the pickles of a legacy file and finds its storages.
 * @throws TristageError E_TORCH_FILE when the file is not such a container, and the errors of {@link unpickle}
 */
export async function openLegacyStorages(file: ByteFile): Promise<TorchStorages> {
  const head = await file.read(0, Math.min(file.size, PICKLE_LIMITS.bytes));
  if (head[0] !== 0x80) {
    throw torchError(file.path, 'the file is not one of torch.save', {
      found: `first bytes ${Buffer.from(head.subarray(0, 4)).toString('hex')}`,
      expected: 'a ZIP archive or a pickle',
    });
  }
  const storages = new Map<string, TorchStorage>();
  const options = {
    where: file.path,
    globals: torchGlobals(file.path),
    persistentLoad: (id: unknown) => resolveStorage(file.path, withoutView(file.path, id), storages),
  };
  let start = 0;
  const next = (): unknown => {
    const { value, end } = unpickle(head, { ...options, start });
    start = end;
    return value;
  };
  checkNumber(file.path, next(), MAGIC);
  checkNumber(file.path, next(), PROTOCOL);
  checkLittleEndian(file.path, next());
  const root = next();
  const positions = await findStorages(file, { keys: next(), start, storages });
  return {
    root,
    read: (storage, range) => {
      const size = DTYPE_BYTES[storage.dtype];
      return file.read(positions.get(storage.key)! + range.start * size, range.length * size);
    },
  };
}

function legacyError(path: string, found: string, expected: string): TristageError {
  return torchError(path, 'the file is not a container of torch.save', { found, expected });
}

function checkNumber(path: string, found: unknown, expected: number | bigint): void {
  if (found !== expected) throw legacyError(path, `${String(found)}`.slice(0, 60), `${expected}`);
}

function checkLittleEndian(path: string, facts: unknown): void {
  const little = facts instanceof Map ? facts.get('little_endian') : undefined;
  if (little !== true) throw legacyError(path, `little_endian ${String(little)}`.slice(0, 60), 'true');
}

/** Legacy ids have a sixth item: a view of another storage, which newer versions no longer write. */
function withoutView(path: string, id: unknown): unknown {
  if (!Array.isArray(id) || id.length !== 6) return id;
  if (id[5] !== null) throw legacyError(path, 'a storage that is a view of another', 'storages of their own');
  return id.slice(0, 5);
}

async function findStorages(
  file: ByteFile,
  source: { keys: unknown; start: number; storages: ReadonlyMap<string, TorchStorage> },
): Promise<ReadonlyMap<string, number>> {
  const positions = new Map<string, number>();
  let at = source.start;
  for (const key of Array.isArray(source.keys) ? source.keys : []) {
    const storage = source.storages.get(key);
    if (storage === undefined || positions.has(key)) {
      throw legacyError(file.path, `storage key ${String(key).slice(0, 60)}`, 'keys of tensors, each once');
    }
    const count = new DataView((await file.read(at, 8)).buffer).getBigInt64(0, true);
    const size = storage.elements * DTYPE_BYTES[storage.dtype];
    if (count !== BigInt(storage.elements) || at + 8 + size > file.size) {
      const left = Math.max(file.size - at - 8, 0);
      throw legacyError(file.path, `${count} elements, ${left} bytes left`, `${storage.elements} x ${storage.dtype}`);
    }
    positions.set(key, at + 8);
    at += 8 + size;
  }
  if (positions.size === source.storages.size && at === file.size) return positions;
  const found = `${positions.size} storages, ${file.size} bytes`;
  throw legacyError(file.path, found, `${source.storages.size} storages, ${at} bytes`);
}
