/**
 * Pickles of plain values, with the few opcodes of protocol 2 that every reader of torch files takes (Python's pickletools names
 * them). Nothing is memoised: equal values are equal bytes, wherever they stand.
 */

/** A value that can be pickled: a Map is a dict in its order, bytes are opcodes that are already encoded. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | readonly PickleValue[]
  | ReadonlyMap<string, PickleValue>
  | Uint8Array;

const MARK = 0x28;
const STOP = 0x2e;
const PROTOCOL_2 = Buffer.of(0x80, 2);

/** A whole pickle. */
export function pickle(value: PickleValue): Uint8Array {
  return Buffer.concat([PROTOCOL_2, opcodes(value), Buffer.of(STOP)]);
}

/**
 * The opcodes that leave one value on the stack. Whole numbers become ints, others floats.
 * @throws RangeError for a whole number beyond 2^53, whose digits JavaScript does not know
 */
export function opcodes(value: PickleValue): Uint8Array {
  if (value === null) return Buffer.from('N');
  if (typeof value === 'boolean') return Buffer.of(value ? 0x88 : 0x89);
  if (typeof value === 'number') return Number.isInteger(value) && !Object.is(value, -0) ? int(value) : float(value);
  if (typeof value === 'string') return text(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof Map) return setItems(Buffer.from('}'), value);
  return Buffer.concat([Buffer.of(0x5d, MARK), ...(value as readonly PickleValue[]).map(opcodes), Buffer.from('e')]);
}

/** A tuple. */
export function tuple(...items: PickleValue[]): Uint8Array {
  return Buffer.concat([Buffer.of(MARK), ...items.map(opcodes), Buffer.from('t')]);
}

/** The Python object of this module and name. */
export function pythonName(module: string, name: string): Uint8Array {
  return Buffer.from(`c${module}\n${name}\n`);
}

/** What a callable returns for these arguments. */
export function call(callee: Uint8Array, ...args: PickleValue[]): Uint8Array {
  return Buffer.concat([callee, tuple(...args), Buffer.from('R')]);
}

/** What the file's own reader finds under this id. */
export function persistent(id: PickleValue): Uint8Array {
  return Buffer.concat([opcodes(id), Buffer.from('Q')]);
}

/** A dict, or what behaves like one, filled with the entries of a map. */
export function setItems(dict: Uint8Array, entries: ReadonlyMap<string, PickleValue>): Uint8Array {
  const items = [...entries].flatMap(([key, value]) => [text(key), opcodes(value)]);
  return Buffer.concat([dict, Buffer.of(MARK), ...items, Buffer.from('u')]);
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'utf8');
  const head = Buffer.alloc(5, 'X');
  head.writeUInt32LE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}

function float(value: number): Uint8Array {
  const bytes = Buffer.alloc(9, 'G');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function int(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no exact whole number`);
  if (value === (value | 0)) {
    const bytes = Buffer.alloc(5, 'J');
    bytes.writeInt32LE(value, 1);
    return bytes;
  }
  const bytes = Buffer.alloc(10);
  bytes.set([0x8a, 8]);
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
}
