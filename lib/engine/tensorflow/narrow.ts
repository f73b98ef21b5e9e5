/**
 * bfloat16 in the engine `tensorflow`. tfjs-node knows no such tensors, but its binding runs any operation on any handle: words come in
 * as bytes that are read as bfloat16, and a kernel of tfjs-node is given a float32 copy.
 */
import { type NarrowStore, registerNarrowStore, widening } from '../narrow.ts';
import type { KernelFunc } from '../ops/fused-op.ts';
import { type DataId, type TensorInfo, tf } from '../tf.ts';

/** TF_BFLOAT16 of TensorFlow's C API. */
const BFLOAT16 = 14;

interface Attribute {
  name: string;
  type: number;
  value: number | boolean;
}

/** What tfjs-node keeps of a tensor. */
interface Entry {
  shape: readonly number[];
  dtype: number;
  /** Handle of the library. */
  id: number;
  values: null;
  refCount: number;
}

/** The parts of tfjs-node's backend that are used here. */
interface NodeBackend {
  binding: {
    TF_FLOAT: number;
    TF_INT32: number;
    TF_UINT8: number;
    TF_ATTR_TYPE: number;
    TF_ATTR_INT: number;
    TF_ATTR_BOOL: number;
    createTensor(shape: readonly number[], dtype: number, values: Uint8Array | Float32Array | Int32Array): number;
    deleteTensor(id: number): void;
    executeOp(name: string, attributes: readonly Attribute[], inputs: readonly number[], outputs: number): Entry[];
  };
  tensorMap: { has(id: DataId): boolean; get(id: DataId): Entry; set(id: DataId, entry: Entry): void };
  getInputTensorIds(tensors: readonly TensorInfo[]): number[];
  readSync(id: DataId): unknown;
}

/** Makes the backend hold bfloat16 and its kernels take it. Call before fused kernels are registered: those run kernels. */
export function registerNarrow(backendName: string, backend: object): void {
  const node = backend as NodeBackend;
  const store = narrowStore(node);
  registerNarrowStore(backendName, store);
  for (const kernel of tf.getKernelsForBackend(backendName)) {
    if (kernel.kernelName === 'Identity') continue;
    const kernelFunc =
      kernel.kernelName === 'GatherV2'
        ? gathering(kernel.kernelFunc, { node, store })
        : widening(kernel.kernelFunc, store);
    tf.unregisterKernel(kernel.kernelName, backendName);
    tf.registerKernel({ ...kernel, kernelFunc });
  }
  const readWide = node.readSync.bind(node);
  node.readSync = (id) => (isNarrowData(node, id) ? readNarrow(id, { node, readWide }) : readWide(id));
}

function isNarrowData({ tensorMap }: NodeBackend, id: DataId): boolean {
  return tensorMap.has(id) && tensorMap.get(id).dtype === BFLOAT16;
}

function narrowStore(node: NodeBackend): NarrowStore {
  let count = 0;
  return {
    get count() {
      return count;
    },
    create: (values, shape) => {
      const id = values instanceof Uint16Array ? fromWords(node, values, shape) : rounded(node, values, shape);
      // What is made here is freed by tfjs-node, which does not say so: the kernels look at their inputs from now on.
      count++;
      return adopted(node, { id, shape, dtype: BFLOAT16 });
    },
    isNarrow: ({ dataId }) => isNarrowData(node, dataId),
    widen: ({ dataId, shape }) => widened(node, node.tensorMap.get(dataId).id, shape),
  };
}

function adopted(
  { tensorMap }: NodeBackend,
  { id, shape, dtype }: { id: number; shape: readonly number[]; dtype: number },
): TensorInfo {
  const dataId: DataId = {};
  tensorMap.set(dataId, { shape: [...shape], dtype, id, values: null, refCount: 1 });
  return { dataId, shape: [...shape], dtype: 'float32' };
}

/** Runs an operation of one result; the inputs stay the caller's. */
function run(node: NodeBackend, name: string, types: Readonly<Record<string, number>>, inputs: readonly number[]) {
  const { TF_ATTR_TYPE } = node.binding;
  const attributes = Object.entries(types).map(([attribute, value]) => ({
    name: attribute,
    type: TF_ATTR_TYPE,
    value,
  }));
  return node.binding.executeOp(name, attributes, inputs, 1)[0]!.id;
}

/** Bytes read as bfloat16: the memory is that of the bytes. */
function fromWords(node: NodeBackend, words: Uint16Array, shape: readonly number[]): number {
  const { binding } = node;
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const raw = binding.createTensor([...shape, 2], binding.TF_UINT8, bytes);
  try {
    return run(node, 'Bitcast', { T: binding.TF_UINT8, type: BFLOAT16 }, [raw]);
  } finally {
    binding.deleteTensor(raw);
  }
}

function rounded(node: NodeBackend, values: Float32Array, shape: readonly number[]): number {
  const { binding } = node;
  const wide = binding.createTensor(shape, binding.TF_FLOAT, values);
  try {
    return run(node, 'Cast', { SrcT: binding.TF_FLOAT, DstT: BFLOAT16 }, [wide]);
  } finally {
    binding.deleteTensor(wide);
  }
}

function widened(node: NodeBackend, id: number, shape: readonly number[]): TensorInfo {
  const { TF_FLOAT } = node.binding;
  return adopted(node, { id: run(node, 'Cast', { SrcT: BFLOAT16, DstT: TF_FLOAT }, [id]), shape, dtype: TF_FLOAT });
}

function readNarrow(id: DataId, { node, readWide }: { node: NodeBackend; readWide: (id: DataId) => unknown }): unknown {
  const { shape } = node.tensorMap.get(id);
  const copy = tf.engine().makeTensorFromTensorInfo(widened(node, node.tensorMap.get(id).id, shape));
  try {
    return readWide(copy.dataId);
  } finally {
    copy.dispose();
  }
}

/** Rows are picked in bfloat16 and widened then. */
function gathering(kernel: KernelFunc, { node, store }: { node: NodeBackend; store: NarrowStore }): KernelFunc {
  const others = widening(kernel, store);
  return (call) => {
    const { x, indices } = call.inputs;
    const { axis, batchDims } = call.attrs as { axis: number; batchDims: number };
    const isRowPick = x !== undefined && indices !== undefined && axis === 0 && batchDims === 0;
    if (store.count === 0 || !isRowPick || !store.isNarrow(x)) return others(call);
    const { binding } = node;
    const [from, at] = node.getInputTensorIds([x, indices]) as [number, number];
    const zero = binding.createTensor([], binding.TF_INT32, Int32Array.of(0));
    let rows: number | undefined;
    try {
      const types = { Tparams: BFLOAT16, Tindices: binding.TF_INT32, Taxis: binding.TF_INT32 };
      rows = run(node, 'GatherV2', types, [from, at, zero]);
      return widened(node, rows, [...indices.shape, ...x.shape.slice(1)]);
    } finally {
      binding.deleteTensor(zero);
      if (rows !== undefined) binding.deleteTensor(rows);
    }
  };
}
