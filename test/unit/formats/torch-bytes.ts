/** Torch files made by hand for tests: pickles from opcodes, archives from stored entries. */
import { crc32 } from 'node:zlib';

/** Bytes of texts (one byte a character), numbers and byte strings in a row. */
export function bytesOf(...parts: (string | number | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Buffer.of(part);
      return typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    }),
  );
}

/** A little-endian unsigned number. */
export function le(value: number | bigint, size: 2 | 4 | 8): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer.subarray(0, size);
}

/** Opcodes that push one value. */
export const push = {
  text: (text: string) => bytesOf('X', le(Buffer.byteLength(text), 4), Buffer.from(text)),
  int: (value: number) => bytesOf('J', le(value < 0 ? BigInt(value) & 0xffffffffn : value, 4)),
  global: (module: string, name: string) => bytesOf('c', module, '\n', name, '\n'),
  tuple: (...items: Uint8Array[]) => bytesOf('(', ...items, 't'),
  list: (...items: Uint8Array[]) => bytesOf('](', ...items, 'e'),
  dict: (...keysAndValues: Uint8Array[]) => bytesOf('}(', ...keysAndValues, 'u'),
  call: (callee: Uint8Array, ...args: Uint8Array[]) => bytesOf(callee, push.tuple(...args), 'R'),
};

/** A whole pickle of protocol 2. */
export function pickleOf(value: Uint8Array): Buffer {
  return bytesOf(0x80, 2, value, '.');
}

export interface TensorSpec {
  storage?: string;
  key?: string;
  elements?: number;
  offset?: number;
  shape?: number[];
  stride?: number[];
}

/** The opcodes of one tensor, by default four floats in storage 0. */
export function tensorOf(spec: TensorSpec = {}): Buffer {
  const { storage = 'FloatStorage', key = '0', elements = 4, offset = 0, shape = [4], stride = [1] } = spec;
  const id = push.tuple(
    push.text('storage'),
    push.global('torch', storage),
    push.text(key),
    push.text('cpu'),
    push.int(elements),
  );
  return push.call(
    push.global('torch._utils', '_rebuild_tensor_v2'),
    bytesOf(id, 'Q'),
    push.int(offset),
    push.tuple(...shape.map(push.int)),
    push.tuple(...stride.map(push.int)),
    Buffer.of(0x89),
    push.call(push.global('collections', 'OrderedDict')),
  );
}

export interface ZipPart {
  name: string;
  data: Uint8Array;
  /** What the directory claims instead of the truth. */
  crc?: number;
  size?: number;
  storedSize?: number;
  method?: number;
  flags?: number;
  headerOffset?: number;
  /** Sizes and offset stand in the zip64 extra field. */
  wide?: boolean;
  /** What the local header calls the entry. */
  localName?: string;
}

/** A ZIP archive of stored entries; `end` overrides fields of the end record. */
export function zipOf(parts: ZipPart[], end: { count?: number; offset?: number; size?: number } = {}): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const part of parts) {
    const { name, data, method = 0, flags = 0, localName = name } = part;
    const crc = part.crc ?? crc32(data);
    const local = bytesOf('PK\x03\x04', le(20, 2), le(flags, 2), le(method, 2), le(0, 4), le(crc, 4));
    const sizes = bytesOf(le(data.byteLength, 4), le(data.byteLength, 4), le(localName.length, 2), le(0, 2));
    const whole = bytesOf(local, sizes, localName, data);
    const [size, offset] = [part.size ?? data.byteLength, part.headerOffset ?? at];
    const stored = part.storedSize ?? size;
    const narrow = (value: number) => (part.wide === true ? le(0xffffffff, 4) : le(value, 4));
    const extra = part.wide === true ? bytesOf(le(1, 2), le(24, 2), le(size, 8), le(stored, 8), le(offset, 8)) : '';
    directory.push(
      bytesOf('PK\x01\x02', le(20, 2), le(20, 2), le(flags, 2), le(method, 2), le(0, 4), le(crc, 4)),
      bytesOf(
        narrow(stored),
        narrow(size),
        le(name.length, 2),
        le(extra.length, 2),
        le(0, 2),
        le(0, 2),
        le(0, 2),
        le(0, 4),
      ),
      bytesOf(narrow(offset), name, extra),
    );
    locals.push(whole);
    at += whole.byteLength;
  }
  const central = Buffer.concat(directory);
  const count = end.count ?? parts.length;
  return bytesOf(
    ...locals,
    central,
    'PK\x05\x06',
    le(0, 4),
    le(count, 2),
    le(count, 2),
    le(end.size ?? central.byteLength, 4),
    le(end.offset ?? at, 4),
    le(0, 2),
  );
}

/** A torch archive of this pickle and storages of float32 values by key. */
export function torchZip(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Buffer {
  return zipOf([
    { name: 'x/data.pkl', data: pickle },
    ...Object.entries(storages).map(([key, data]) => ({ name: `x/data/${key}`, data })),
    { name: 'x/version', data: Buffer.from('3\n') },
  ]);
}

/** Bytes of float32 values. */
export function floats(...values: number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}
