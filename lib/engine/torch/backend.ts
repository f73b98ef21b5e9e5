/** tfjs's storage over libtorch: each data id holds one native tensor whose shape is the logical shape. */

import { TristageError } from '../../core/errors.ts';
import type { NarrowStore } from '../narrow.ts';
import type { Precision } from '../precision.ts';
import { type DataId, type DataType, type TensorInfo, type TypedArray, tf } from '../tf.ts';
import { type Handle, native, operator } from './binding.ts';

export const BACKEND_NAME = 'torch';

/** The object that tfjs sees as an opaque data id. */
interface TorchData extends DataId {
  readonly owner: TorchBackend;
  handle: Handle;
  /** How many tensors share this data; 0 when it is gone. */
  references: number;
  /** Whether it lies in bfloat16. */
  readonly narrow: boolean;
}

const convert = operator('aten::to.dtype');

const isTorchData = (dataId: DataId, owner: TorchBackend): dataId is TorchData =>
  (dataId as Partial<TorchData>).owner === owner;

const STORED_TYPES: Readonly<Record<string, { host: string; stored: string }>> = {
  float32: { host: 'float32', stored: 'float32' },
  int32: { host: 'int32', stored: 'int32' },
  bool: { host: 'uint8', stored: 'bool' },
};

/** torch's name of a tfjs type. */
export function storedType(dtype: DataType): string {
  const type = STORED_TYPES[dtype];
  if (type !== undefined) return type.stored;
  throw unsupportedType(dtype);
}

function unsupportedType(dtype: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_DTYPE',
    message: 'the torch engine does not hold tensors of this type',
    found: dtype,
    expected: Object.keys(STORED_TYPES).join(', '),
  });
}

/** Values as the typed array that a tfjs type is stored in. */
function toHostArray(values: unknown, dtype: DataType): TypedArray {
  const array = values as TypedArray | readonly number[];
  if (dtype === 'float32') return array instanceof Float32Array ? array : Float32Array.from(array);
  if (dtype === 'int32') return array instanceof Int32Array ? array : Int32Array.from(array);
  return array instanceof Uint8Array ? array : Uint8Array.from(array);
}

export class TorchBackend extends tf.KernelBackend {
  readonly device: string;
  /** In which type results are computed that depend on bfloat16; see physical.ts. */
  computes: Precision = 'float32';
  private count = 0;
  private narrowCount = 0;
  /** Data that another backend made first keeps its own id. */
  private readonly moved = new WeakMap<DataId, TorchData>();

  /** @param device `cpu` or `cuda:N` */
  constructor(device: string) {
    super();
    this.device = device;
  }

  private find(dataId: DataId): TorchData {
    if (isTorchData(dataId, this)) return dataId;
    const known = this.moved.get(dataId);
    if (known !== undefined) return known;
    tf.engine().moveData(this as never, dataId);
    return this.moved.get(dataId)!;
  }

  private adopt(handle: Handle, references: number, narrow = false): TorchData {
    this.count++;
    if (narrow) this.narrowCount++;
    return { owner: this, handle, references, narrow };
  }

  private upload(values: unknown, shape: readonly number[], dtype: DataType): Handle {
    const type = STORED_TYPES[dtype];
    if (type === undefined) throw unsupportedType(dtype);
    return native().fromData(toHostArray(values, dtype), type.host, shape, type.stored, this.device);
  }

  /** The native tensor of a tfjs tensor. */
  handle(info: TensorInfo): Handle {
    const data = this.find(info.dataId);
    if (data.references > 0) return data.handle;
    throw new TristageError({ kind: 'failure', code: 'E_DISPOSED', message: 'a tensor was used after its disposal' });
  }

  /** Wraps a new native tensor, whose owner the result becomes. */
  output(handle: Handle, shape: number[], dtype: DataType): TensorInfo {
    // Only what came of a tensor in bfloat16 can be one.
    const narrow = this.narrowCount > 0 && dtype === 'float32' && native().dtype(handle) === 'BFloat16';
    return { dataId: this.adopt(handle, 1, narrow), shape, dtype };
  }

  /** The same values rounded to bfloat16; the caller frees it. */
  rounded(info: TensorInfo): TensorInfo {
    const handle = convert(this.handle(info), 'bfloat16', false, false, null);
    return { dataId: this.adopt(handle, 1, true), shape: info.shape, dtype: 'float32' };
  }

  /** Tensors in bfloat16 behind a logical float32. */
  readonly narrow: NarrowStore = this.narrowStore();

  private narrowStore(): NarrowStore {
    const backend = this;
    return {
      get count() {
        return backend.narrowCount;
      },
      create: (values, shape) => {
        const source = values instanceof Uint16Array ? 'bfloat16' : 'float32';
        const handle = native().fromData(values, source, shape, 'bfloat16', this.device);
        return { dataId: this.adopt(handle, 1, true), shape: [...shape], dtype: 'float32' };
      },
      isNarrow: ({ dataId }) => isTorchData(dataId, this) && dataId.narrow,
      widen: (info) => this.output(convert(this.handle(info), 'float32', false, false, null), info.shape, 'float32'),
    };
  }

  /** The same data as another tensor, with one reference more. */
  share(info: TensorInfo, dtype: DataType = info.dtype): TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape: info.shape, dtype };
  }

  /** Whether this tensor may be changed in place: no other tensor, view or pending read sees its memory. */
  isExclusive(info: TensorInfo): boolean {
    const data = this.find(info.dataId);
    return data.references === 1 && native().isExclusive(data.handle);
  }

  override write(values: unknown, shape: number[], dtype: DataType): DataId {
    return this.adopt(this.upload(values, shape, dtype), 1);
  }

  override move(dataId: DataId, values: unknown, shape: number[], dtype: DataType, references: number): void {
    this.moved.set(dataId, this.adopt(this.upload(values, shape, dtype), references));
  }

  override readSync(dataId: DataId): TypedArray {
    return native().read(this.find(dataId).handle);
  }

  override read(dataId: DataId): Promise<TypedArray> {
    return native().readAsync(this.find(dataId).handle);
  }

  override incRef(dataId: DataId): void {
    this.find(dataId).references++;
  }

  override refCount(dataId: DataId): number {
    const data = isTorchData(dataId, this) ? dataId : this.moved.get(dataId);
    return data?.references ?? 0;
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const data = isTorchData(dataId, this) ? dataId : this.moved.get(dataId);
    if (data === undefined || data.references === 0) return true;
    data.references--;
    if (data.references > 0 && !force) return false;
    data.references = 0;
    this.count--;
    if (data.narrow) this.narrowCount--;
    this.moved.delete(dataId);
    native().release(data.handle);
    return true;
  }

  override numDataIds(): number {
    return this.count;
  }

  override memory(): { unreliable: boolean; nativeTensors: number; nativeBytes: number; nativePeakBytes: number } {
    const [nativeTensors, nativeBytes, nativePeakBytes] = native().stats();
    return { unreliable: false, nativeTensors, nativeBytes, nativePeakBytes };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(f: () => void): Promise<{ kernelMs: number }> {
    const start = performance.now();
    f();
    return { kernelMs: performance.now() - start };
  }

  override dispose(): void {
    this.count = 0;
  }
}
