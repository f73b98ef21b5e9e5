/** numpy scalars inside pickles: training scripts leave them in checkpoints as metric values. Arrays are not read. */

import { TristageError } from '../core/errors.ts';
import type { PickleGlobal } from './pickle.ts';

/** A numpy dtype by its short name, such as `f8`. */
interface NumpyDtype {
  readonly code: string;
  littleEndian: boolean;
}

type Read = (view: DataView, little: boolean) => number | bigint | boolean;

const READERS: Readonly<Record<string, { size: number; read: Read }>> = {
  f8: { size: 8, read: (view, little) => view.getFloat64(0, little) },
  f4: { size: 4, read: (view, little) => view.getFloat32(0, little) },
  i8: { size: 8, read: (view, little) => Number(view.getBigInt64(0, little)) },
  i4: { size: 4, read: (view, little) => view.getInt32(0, little) },
  i2: { size: 2, read: (view, little) => view.getInt16(0, little) },
  i1: { size: 1, read: (view) => view.getInt8(0) },
  u8: { size: 8, read: (view, little) => Number(view.getBigUint64(0, little)) },
  u4: { size: 4, read: (view, little) => view.getUint32(0, little) },
  u2: { size: 2, read: (view, little) => view.getUint16(0, little) },
  u1: { size: 1, read: (view) => view.getUint8(0) },
  b1: { size: 1, read: (view) => view.getUint8(0) !== 0 },
};

const DTYPES = new WeakSet<object>();

function numpyError(found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_PICKLE',
    message: 'a numpy value in a pickle is not one that is read here',
    found,
    expected,
    fix: 'save the weights alone, best as safetensors',
  });
}

function makeDtype(args: readonly unknown[]): NumpyDtype {
  const code = args[0];
  if (typeof code !== 'string' || !Object.hasOwn(READERS, code)) {
    throw numpyError(`dtype ${JSON.stringify(code) ?? 'of another kind'}`.slice(0, 80), Object.keys(READERS).join(' '));
  }
  const dtype: NumpyDtype = { code, littleEndian: true };
  DTYPES.add(dtype);
  return dtype;
}

/** State: (version, byte order, ...); `|` means that order does not matter. */
function setDtypeState(dtype: unknown, state: unknown): void {
  const order = Array.isArray(state) ? state[1] : undefined;
  if (order !== '<' && order !== '|' && order !== '>') throw numpyError('a dtype state', 'a byte order');
  (dtype as NumpyDtype).littleEndian = order !== '>';
}

function makeScalar(args: readonly unknown[]): number | bigint | boolean {
  const [dtype, bytes] = args;
  if (typeof dtype !== 'object' || dtype === null || !DTYPES.has(dtype)) throw numpyError('no dtype', 'a numpy dtype');
  const { code, littleEndian } = dtype as NumpyDtype;
  const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  const { size, read } = READERS[code]!;
  if (!(data instanceof Uint8Array) || data.byteLength !== size)
    throw numpyError('other bytes', `${size} bytes for ${code}`);
  return read(new DataView(data.buffer, data.byteOffset, size), littleEndian);
}

/** Protocol 2 spells bytes as a call of `_codecs.encode(text, 'latin1')`. */
function encode(args: readonly unknown[]): Uint8Array {
  const [text, encoding] = args;
  if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1')) {
    throw numpyError('an encoding', 'latin1 text');
  }
  return Buffer.from(text, 'latin1');
}

/** The whitelist for numpy scalars, under the module names of numpy 1 and 2. */
export const NUMPY_GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    { name: 'numpy.core.multiarray.scalar', call: makeScalar },
    { name: 'numpy._core.multiarray.scalar', call: makeScalar },
    { name: 'numpy.dtype', call: makeDtype, setState: setDtypeState },
    { name: '_codecs.encode', call: encode },
  ].map((global) => [global.name, global]),
);
