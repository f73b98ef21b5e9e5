/** What a torch file holds, as plain values: no Maps, no globals, no cycles. */

import { isPickleGlobal } from './pickle.ts';
import { isTorchTensor, type TorchTensor, torchError } from './torch-pickle.ts';

/** A plain value with tensors of type T; objects have no prototype. */
export type TorchPlain<T> =
  | T
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TorchPlain<T>[]
  | { [key: string]: TorchPlain<T> };

const DEEPEST = 200;

interface Conversion<T> {
  readonly path: string;
  readonly tensor: (tensor: TorchTensor) => T;
  /** Results so far; undefined while a value is being converted. */
  readonly done: Map<object, TorchPlain<T> | undefined>;
}

/**
 * Converts the value of a pickle. A value that occurs several times is converted once and shared.
 * @param path for messages
 * @param tensor what a tensor becomes
 * @throws TristageError E_TORCH_FILE for cycles, deep nesting, keys that collide or are not texts or numbers
 */
export function plainValue<T>(path: string, value: unknown, tensor: (tensor: TorchTensor) => T): TorchPlain<T> {
  return convert({ path, tensor, done: new Map() }, value, 0);
}

function convert<T>(state: Conversion<T>, value: unknown, depth: number): TorchPlain<T> {
  if (value === null || ['boolean', 'number', 'bigint', 'string'].includes(typeof value)) return value as TorchPlain<T>;
  if (typeof value !== 'object') throw wrong(state, typeof value);
  if (value instanceof Uint8Array) return value;
  if (isPickleGlobal(value)) return value.name;
  const before = state.done.get(value);
  if (before !== undefined) return before;
  if (state.done.has(value)) throw wrong(state, 'a value that contains itself');
  if (depth > DEEPEST) throw wrong(state, `more than ${DEEPEST} levels`);
  state.done.set(value, undefined);
  const result = convertObject(state, value, depth);
  state.done.set(value, result);
  return result;
}

function convertObject<T>(state: Conversion<T>, value: object, depth: number): TorchPlain<T> {
  if (isTorchTensor(value)) return state.tensor(value);
  if (value instanceof Map) return convertMap(state, value, depth);
  if (Array.isArray(value)) return value.map((item) => convert(state, item, depth + 1));
  if (value instanceof Set) return Array.from(value, (item) => convert(state, item, depth + 1));
  throw wrong(state, 'a value of another kind');
}

function convertMap<T>(state: Conversion<T>, map: Map<unknown, unknown>, depth: number): TorchPlain<T> {
  const result: { [key: string]: TorchPlain<T> } = Object.create(null);
  for (const [key, value] of map) {
    if (!['string', 'number', 'boolean'].includes(typeof key))
      throw wrong(state, 'a dict key that is no text or number');
    const name = String(key);
    if (name in result) throw wrong(state, `two dict keys ${JSON.stringify(name.slice(0, 80))}`);
    result[name] = convert(state, value, depth + 1);
  }
  return result;
}

function wrong<T>(state: Conversion<T>, found: string): Error {
  return torchError(state.path, 'the saved object cannot be read as plain data', {
    found,
    expected: 'nested dicts and lists of tensors, texts and numbers',
  });
}
