/**
 * Tensors that lie in bfloat16 on the engine and are float32 for everybody else. On a CPU that is storage alone: a kernel gets a
 * float32 copy, which is gone when it returns, so that neither the tape nor a later operation keeps one alive.
 */
import { TristageError } from '../core/errors.ts';
import type { KernelFunc } from './ops/fused-op.ts';
import { type Tensor, type TensorInfo, tf } from './tf.ts';

/** What an engine offers for such tensors. */
export interface NarrowStore {
  /** How many there are; with none, kernels run as ever. */
  readonly count: number;
  /** @param values raw words, or float32 to be rounded to nearest, ties to even */
  create(values: Uint16Array | Float32Array, shape: readonly number[]): TensorInfo;
  isNarrow(info: TensorInfo): boolean;
  /** The same values as a float32 tensor; the caller frees it. */
  widen(info: TensorInfo): TensorInfo;
}

const stores = new Map<string, NarrowStore>();

/** Says how a backend holds bfloat16. */
export function registerNarrowStore(backendName: string, store: NarrowStore): void {
  stores.set(backendName, store);
}

/**
 * A tensor in bfloat16 on the current backend.
 * @param values raw bfloat16 words, or float32 to be rounded to nearest, ties to even
 * @throws TristageError E_DTYPE for a backend that has no such tensors
 */
export function narrowTensor(values: Uint16Array | Float32Array, shape: readonly number[]): Tensor {
  const store = stores.get(tf.getBackend());
  if (store !== undefined) return asTensor(store.create(values, shape));
  throw new TristageError({
    kind: 'environment',
    code: 'E_DTYPE',
    message: 'this backend does not hold bfloat16',
    found: tf.getBackend(),
    expected: [...stores.keys()].join(', '),
    fix: 'use engine.precision: float32',
  });
}

/** Whether a tensor lies in bfloat16. */
export function isNarrow(tensor: Tensor): boolean {
  return stores.get(tf.getBackend())?.isNarrow(tensor) === true;
}

function asTensor(info: TensorInfo): Tensor {
  return tf.engine().makeTensorFromTensorInfo(info);
}

/**
 * A kernel that may be given such tensors: it sees float32 copies, which are freed when it returns.
 * @param taken inputs that the kernel takes as they are
 */
export function widening(kernel: KernelFunc, store: NarrowStore, taken: readonly string[] = []): KernelFunc {
  return (call) => {
    if (store.count === 0) return kernel(call);
    const narrow = Object.entries(call.inputs).filter(
      ([name, info]) => info !== undefined && !taken.includes(name) && store.isNarrow(info),
    );
    if (narrow.length === 0) return kernel(call);
    // Kernels of several equal inputs are given a list.
    const inputs = (Array.isArray(call.inputs) ? [...call.inputs] : { ...call.inputs }) as typeof call.inputs;
    const wide: Tensor[] = [];
    try {
      for (const [name, info] of narrow) {
        const copy = asTensor(store.widen(info as TensorInfo));
        wide.push(copy);
        inputs[name] = copy;
      }
      return kernel({ ...call, inputs });
    } finally {
      for (const copy of wide) copy.dispose();
    }
  };
}

/** A kernel of one input `x` that picks or moves whole elements: what it picked is widened, not what it picked from. */
export function wideningLate(kernel: KernelFunc, store: NarrowStore): KernelFunc {
  return (call) => {
    const { x } = call.inputs;
    if (store.count === 0 || x === undefined || !store.isNarrow(x)) return kernel(call);
    const picked = kernel(call) as TensorInfo;
    try {
      return store.widen(picked);
    } finally {
      asTensor(picked).dispose();
    }
  };
}
