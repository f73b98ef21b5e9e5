/** The Python names that torch files need, as descriptions of tensors over storages. Layout: torch/_utils.py, torch/serialization.py. */

import type { TristageError } from '../core/errors.ts';
import { fileError } from './file-bytes.ts';
import { elementCount, type HostDtype } from './host-tensor.ts';
import { NUMPY_GLOBALS } from './numpy-pickle.ts';
import { isPickleGlobal, type PickleGlobal } from './pickle.ts';

/** A run of elements in the file that tensors are views of. */
export interface TorchStorage {
  readonly key: string;
  readonly dtype: HostDtype;
  readonly elements: number;
}

/** A tensor of a torch file that has not been read: a strided view of a storage; offset and strides count elements. */
export interface TorchTensor {
  readonly dtype: HostDtype;
  readonly shape: number[];
  readonly stride: readonly number[];
  readonly offset: number;
  readonly storage: TorchStorage;
}

/** The object of a torch file and the bytes of its storages. */
export interface TorchStorages {
  readonly root: unknown;
  /** Bytes of a storage, from element `start`, `length` elements. */
  read(storage: TorchStorage, range: { start: number; length: number }): Promise<Uint8Array>;
}

/** More dimensions than torch allows. */
const LARGEST_RANK = 64;

/** A view may repeat elements (an expanded tensor), but not beyond its storage and this many. */
const LARGEST_EXPANSION = 1 << 24;

const STORAGES: Readonly<Record<string, HostDtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

const DTYPES =
  'float64 double float32 float float16 half bfloat16 int64 long int32 int int16 short int8 uint8 bool'.split(' ');

const STORAGE_OF = new WeakMap<PickleGlobal, HostDtype>();
const TENSORS = new WeakSet<object>();
const KNOWN_STORAGES = new WeakSet<object>();

/** An E_TORCH_FILE error about a torch file. */
export function torchError(path: string, message: string, details: { found: string; expected: string }): TristageError {
  return fileError(path, {
    code: 'E_TORCH_FILE',
    message,
    ...details,
    fix: 'the file is damaged or not a checkpoint of plain tensors; save the weights again, best as safetensors',
  });
}

/** A text of the file for a message. */
export function shortText(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

/** True for a tensor of a torch file that has not been read. */
export function isTorchTensor(value: unknown): value is TorchTensor {
  return typeof value === 'object' && value !== null && TENSORS.has(value);
}

/** A short list of whole numbers from 0. */
function isWholeList(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.length <= LARGEST_RANK &&
    value.every((item) => Number.isSafeInteger(item) && item >= 0)
  );
}

/** The whitelist for one file; `path` is for messages. */
export function torchGlobals(path: string): ReadonlyMap<string, PickleGlobal> {
  const globals = new Map<string, PickleGlobal>(NUMPY_GLOBALS);
  const add = (name: string, rest: Omit<PickleGlobal, 'name'> = {}): PickleGlobal => {
    const global = { name, ...rest };
    globals.set(name, global);
    return global;
  };
  add('collections.OrderedDict', {
    call: (args) => mapOf(path, args),
    // A state dict carries module versions in `_metadata`; nothing here needs them.
    setState: () => undefined,
  });
  for (const module of ['builtins', '__builtin__']) {
    add(`${module}.set`, { call: ([items]) => new Set(Array.isArray(items) ? items : []) });
  }
  add('torch.Size', { call: ([sizes]) => sizes ?? Object.freeze([]) });
  add('torch.device', { call: (args) => deviceText(path, args) });
  for (const name of DTYPES) add(`torch.${name}`);
  for (const [name, dtype] of Object.entries(STORAGES)) STORAGE_OF.set(add(`torch.${name}`), dtype);
  add('torch._utils._rebuild_tensor_v2', { call: (args) => rebuildTensor(path, args) });
  for (const name of ['_rebuild_parameter', '_rebuild_parameter_with_state']) {
    add(`torch._utils.${name}`, { call: ([tensor]) => checkedTensor(path, tensor) });
  }
  return globals;
}

/** `cuda`, 0 -> `cuda:0`. */
function deviceText(path: string, args: readonly unknown[]): string {
  const [kind, index] = args;
  const isKind = typeof kind === 'string' && kind.length < 40;
  if (!isKind || !(index === undefined || Number.isSafeInteger(index))) {
    throw torchError(path, 'a device is not valid', {
      found: `${args.length} arguments`,
      expected: 'a name, an index',
    });
  }
  return index === undefined ? kind : `${kind}:${index}`;
}

function mapOf(path: string, args: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  const pairs = args[0] ?? [];
  if (!Array.isArray(pairs))
    throw torchError(path, 'an OrderedDict is not valid', { found: 'no list', expected: 'pairs' });
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw torchError(path, 'an OrderedDict is not valid', { found: 'an item that is no pair', expected: 'pairs' });
    }
    map.set(pair[0], pair[1]);
  }
  return map;
}

function checkedTensor(path: string, value: unknown): TorchTensor {
  if (isTorchTensor(value)) return value;
  throw torchError(path, 'a parameter wraps no tensor', { found: typeof value, expected: 'a tensor' });
}

function rebuildTensor(path: string, args: readonly unknown[]): TorchTensor {
  const [storage, offset, shape, stride] = args;
  const wrong = (found: string, expected: string): TristageError =>
    torchError(path, 'a tensor is not valid', { found, expected });
  if (typeof storage !== 'object' || storage === null || !KNOWN_STORAGES.has(storage)) {
    throw wrong('no storage', 'a storage, an offset, a shape and strides');
  }
  const { elements, dtype } = storage as TorchStorage;
  const key = shortText((storage as TorchStorage).key);
  if (!isWholeList(shape) || !isWholeList(stride) || !isWholeList([offset]) || shape.length !== stride.length) {
    throw wrong(`a view of storage ${key}`, 'an offset, a shape and strides of whole numbers, as many of each');
  }
  const first = offset as number;
  const count = elementCount(shape);
  const text = `shape [${shape.join(', ')}], strides [${stride.join(', ')}], offset ${first}`;
  if (count === undefined || count > Math.max(elements, LARGEST_EXPANSION)) {
    throw wrong(text, `at most the ${elements} elements of storage ${key}`);
  }
  const last = first + shape.reduce((sum, size, i) => sum + (size - 1) * stride[i]!, 0);
  if (count === 0 ? first > elements : !(last < elements)) throw wrong(text, `a view inside ${elements} elements`);
  const tensor: TorchTensor = { dtype, shape: [...shape], stride, offset: first, storage: storage as TorchStorage };
  TENSORS.add(tensor);
  return tensor;
}

/**
 * The storage that a persistent id `('storage', type, key, location, elements)` names.
 * @param known storages by key, filled here; a key must mean the same thing each time
 */
export function resolveStorage(path: string, id: unknown, known: Map<string, TorchStorage>): TorchStorage {
  const [kind, type, key, , elements] = Array.isArray(id) ? id : [];
  const dtype = isPickleGlobal(type) ? STORAGE_OF.get(type) : undefined;
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isWholeList([elements])) {
    throw torchError(path, 'a reference to a storage is not valid', {
      found: isPickleGlobal(type) ? type.name : 'something else',
      expected: "('storage', type, key, location, elements)",
    });
  }
  const before = known.get(key);
  if (before === undefined) {
    const storage: TorchStorage = { key, dtype, elements };
    KNOWN_STORAGES.add(storage);
    known.set(key, storage);
    return storage;
  }
  if (before.dtype === dtype && before.elements === elements) return before;
  throw torchError(path, `storage ${shortText(key)} is described in two ways`, {
    found: `${dtype} x ${elements}`,
    expected: `${before.dtype} x ${before.elements}`,
  });
}
