/** Tensors in host memory, as files hold them: little-endian, row-major. Numbers are converted only when asked. */

import { endianness } from 'node:os';
import { TristageError } from '../core/errors.ts';
import { FLOAT8, type Float8 } from './float8.ts';
import { bfloat16ToFloat32, float32ToBfloat16, float32ToHalf, halfToFloat32 } from './half.ts';

/** As safetensors names them. */
export type HostDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | Float8
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

export interface HostTensor {
  dtype: HostDtype;
  /** Row-major; an empty list is a scalar. */
  shape: number[];
  /** Product of shape x size of dtype bytes, little-endian. */
  bytes: Uint8Array;
}

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<HostDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** True for a name of the dtypes above. */
export function isHostDtype(name: string): name is HostDtype {
  return Object.hasOwn(DTYPE_BYTES, name);
}

/** True for the dtypes that hold fractions. */
export function isFloatDtype(dtype: HostDtype): boolean {
  return dtype.startsWith('F') || dtype === 'BF16';
}

/**
 * Number of elements of a shape.
 * @returns undefined when a dimension is not a whole number >= 0 or a product leaves 2^53
 */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

function tensorError(tensor: HostTensor, message: string, expected: string): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_TENSOR',
    message,
    found: `${tensor.dtype} [${tensor.shape.join(', ')}], ${tensor.bytes.byteLength} bytes`,
    expected,
  });
}

/** Throws E_TENSOR unless the byte length is that of shape and dtype. */
export function checkHostTensor(tensor: HostTensor): void {
  const count = elementCount(tensor.shape);
  if (!isHostDtype(tensor.dtype)) {
    throw tensorError(tensor, 'unknown tensor dtype', Object.keys(DTYPE_BYTES).join(' '));
  }
  if (count === undefined || count * DTYPE_BYTES[tensor.dtype] !== tensor.bytes.byteLength) {
    throw tensorError(tensor, 'a tensor does not fit its bytes', 'shape x dtype size = bytes');
  }
}

/** The buffer of a tensor from an offset that is a multiple of `size`; copies only when it is not one already. */
function aligned(bytes: Uint8Array, size: number): { buffer: ArrayBufferLike; offset: number } {
  if (endianness() !== 'LE') throw new RangeError('tensor files can be read on little-endian machines only');
  if (bytes.byteOffset % size === 0) return { buffer: bytes.buffer, offset: bytes.byteOffset };
  return { buffer: bytes.slice().buffer, offset: 0 };
}

type AnyView =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** The elements of a tensor in their own width (F16, BF16 and floats of 8 bits as raw words). May share the tensor's memory. */
function elements(tensor: HostTensor): AnyView {
  checkHostTensor(tensor);
  const size = DTYPE_BYTES[tensor.dtype];
  const { buffer, offset } = aligned(tensor.bytes, size);
  const count = tensor.bytes.byteLength / size;
  switch (tensor.dtype) {
    case 'F64':
      return new Float64Array(buffer, offset, count);
    case 'F32':
      return new Float32Array(buffer, offset, count);
    case 'F16':
    case 'BF16':
    case 'U16':
      return new Uint16Array(buffer, offset, count);
    case 'I64':
      return new BigInt64Array(buffer, offset, count);
    case 'U64':
      return new BigUint64Array(buffer, offset, count);
    case 'U32':
      return new Uint32Array(buffer, offset, count);
    case 'I32':
      return new Int32Array(buffer, offset, count);
    case 'I16':
      return new Int16Array(buffer, offset, count);
    case 'I8':
      return new Int8Array(buffer, offset, count);
    case 'F8_E4M3':
    case 'F8_E5M2':
    case 'F8_E8M0':
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer, offset, count);
  }
}

function isWide(view: AnyView): view is BigInt64Array | BigUint64Array {
  return view instanceof BigInt64Array || view instanceof BigUint64Array;
}

/**
 * The elements as float32, rounded to nearest where the dtype is wider.
 * For an F32 tensor the result may share the tensor's memory.
 * @throws TristageError E_TENSOR when bytes and shape disagree
 */
export function toFloat32(tensor: HostTensor): Float32Array {
  const view = elements(tensor);
  if (view instanceof Float32Array) return view;
  if (isWide(view)) return Float32Array.from(view, Number);
  switch (tensor.dtype) {
    case 'F16':
      return halfToFloat32(view as Uint16Array);
    case 'BF16':
      return bfloat16ToFloat32(view as Uint16Array);
    case 'F8_E4M3':
    case 'F8_E5M2':
    case 'F8_E8M0': {
      const table = FLOAT8[tensor.dtype];
      return Float32Array.from(view, (word) => table[word] as number);
    }
    default:
      return Float32Array.from(view);
  }
}

/**
 * The raw words of a BF16 tensor; they may share the tensor's memory.
 * @throws TristageError E_TENSOR for another dtype
 */
export function bfloat16Words(tensor: HostTensor): Uint16Array {
  if (tensor.dtype !== 'BF16') throw tensorError(tensor, 'a BF16 tensor was expected', 'BF16');
  return elements(tensor) as Uint16Array;
}

/**
 * The elements of an integer or boolean tensor as int32. For an I32 tensor the result may share the tensor's memory.
 * @throws TristageError E_TENSOR for a float dtype or a value outside int32
 */
export function toInt32(tensor: HostTensor): Int32Array {
  if (isFloatDtype(tensor.dtype)) throw tensorError(tensor, 'whole numbers were expected', 'an integer or BOOL dtype');
  const view = elements(tensor);
  if (view instanceof Int32Array) return view;
  const narrowed = (value: number | bigint): number => {
    const whole = Number(value);
    if (whole !== (whole | 0)) throw tensorError(tensor, `value ${value} leaves int32`, '-2^31 .. 2^31-1');
    return whole;
  };
  return isWide(view) ? Int32Array.from(view, narrowed) : Int32Array.from(view, narrowed);
}

/** An F32 tensor around an array; the memory is shared. */
export function fromFloat32(values: Float32Array, shape: readonly number[]): HostTensor {
  return {
    dtype: 'F32',
    shape: [...shape],
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/** An I32 tensor around an array; the memory is shared. */
export function fromInt32(values: Int32Array, shape: readonly number[]): HostTensor {
  return {
    dtype: 'I32',
    shape: [...shape],
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/**
 * A tensor in another float dtype, rounded to nearest, ties to even. The same dtype gives the same tensor back.
 * @param dtype F32, F16 or BF16
 */
export function castFloat(tensor: HostTensor, dtype: 'F32' | 'F16' | 'BF16'): HostTensor {
  if (tensor.dtype === dtype) return tensor;
  if (!isFloatDtype(tensor.dtype)) throw tensorError(tensor, 'a float tensor was expected', 'a dtype of fractions');
  if (dtype === 'F32') return fromFloat32(toFloat32(tensor), tensor.shape);
  checkHostTensor(tensor);
  const size = DTYPE_BYTES[tensor.dtype];
  const words = new Uint16Array(tensor.bytes.byteLength / size);
  // In pieces, so that no float32 copy of a large tensor arises.
  for (let from = 0; from < words.length; from += CAST_PIECE) {
    const count = Math.min(CAST_PIECE, words.length - from);
    const bytes = tensor.bytes.subarray(from * size, (from + count) * size);
    const values = toFloat32({ dtype: tensor.dtype, shape: [count], bytes });
    words.set(dtype === 'F16' ? float32ToHalf(values) : float32ToBfloat16(values), from);
  }
  return { dtype, shape: [...tensor.shape], bytes: new Uint8Array(words.buffer) };
}

/** Elements that are converted at a time. */
const CAST_PIECE = 1 << 20;
