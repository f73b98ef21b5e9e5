/** GGUF files byte by byte, for tests that need wrong ones. */

const utf8 = new TextEncoder();

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string | Uint8Array): Uint8Array[] => {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value;
  return [u64(bytes.byteLength), bytes];
};

/** A value and its type: a text, a number as uint32, a list of texts, or raw bytes of a type. */
export type MadeValue = string | number | readonly string[] | { type: number; bytes: Uint8Array };

export interface MadeTensor {
  name: string;
  /** As the file has them: the fastest axis first. */
  axes: readonly (number | bigint)[];
  type: number;
  offset: number | bigint;
}

export interface MadeGguf {
  magic?: string;
  version?: number;
  tensorCount?: number | bigint;
  entryCount?: number | bigint;
  entries?: readonly (readonly [string | Uint8Array, MadeValue])[];
  tensors?: readonly MadeTensor[];
  alignment?: number;
  data?: Uint8Array;
}

function valueBytes(value: MadeValue): Uint8Array[] {
  if (typeof value === 'string') return [u32(8), ...text(value)];
  if (typeof value === 'number') return [u32(4), u32(value)];
  if ('bytes' in value) return [u32(value.type), value.bytes];
  return [u32(9), u32(8), u64(value.length), ...value.flatMap(text)];
}

/** @returns the file, and where each field of its head begins */
export function ggufBytes(made: MadeGguf): { bytes: Buffer; boundaries: number[] } {
  const { magic = 'GGUF', version = 3, entries = [], tensors = [], alignment = 32, data = new Uint8Array(0) } = made;
  const parts: Uint8Array[] = [
    utf8.encode(magic),
    u32(version),
    u64(made.tensorCount ?? tensors.length),
    u64(made.entryCount ?? entries.length),
    ...entries.flatMap(([key, value]) => [...text(key), ...valueBytes(value)]),
    ...tensors.flatMap(({ name, axes, type, offset }) => [
      ...text(name),
      u32(axes.length),
      ...axes.map(u64),
      u32(type),
      u64(offset),
    ]),
  ];
  const boundaries: number[] = [];
  let size = 0;
  for (const part of parts) {
    boundaries.push(size);
    size += part.byteLength;
  }
  parts.push(new Uint8Array((alignment - (size % alignment)) % alignment), data);
  return { bytes: Buffer.concat(parts), boundaries: [...boundaries, size] };
}

/** The least that is a language model: two vectors of 32 as F32, and one row of Q8_0. */
export function soundGguf(): MadeGguf {
  return {
    entries: [
      ['general.architecture', 'llama'],
      ['llama.attention.head_count', 2],
      ['tokenizer.ggml.tokens', ['a', 'b', '</s>']],
    ],
    tensors: [
      { name: 'token_embd.weight', axes: [32, 1], type: 0, offset: 0 },
      { name: 'output_norm.weight', axes: [32], type: 0, offset: 128 },
      { name: 'blk.0.attn_v.weight', axes: [32, 1], type: 8, offset: 256 },
    ],
    data: new Uint8Array(256 + 34).fill(1),
  };
}
