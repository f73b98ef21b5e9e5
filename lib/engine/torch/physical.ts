/**
 * Computing in bfloat16: what each kernel is given, and in which type its floating results lie. tfjs sees float32 everywhere. Products
 * take bfloat16; norms, softmax and loss compute in float32, on inputs that may have been rounded; what flows between blocks is bfloat16.
 */
import { TristageError } from '../../core/errors.ts';
import type { KernelFunc } from '../ops/fused-op.ts';
import { type Tensor, type TensorInfo, tf } from '../tf.ts';
import type { TorchBackend } from './backend.ts';

/**
 * `moved`: results lie as the input does. `joined`: inputs of one type are computed in it, of two types in float32; results are bfloat16
 * where any input was. `product`: inputs and results are bfloat16. `rounded`: computed in float32, results bfloat16 where any input was;
 * where a kernel takes bfloat16 itself, computing in float32 within, and its first input lies so, it is given bfloat16. `float32`:
 * computed in float32, and results are.
 */
export type ResultRule = 'moved' | 'joined' | 'product' | 'rounded' | 'float32';

interface Result {
  rule: ResultRule;
  /** Results that are float32 in any case, by position: statistics that the backward pass reads. */
  statistics?: readonly number[];
  /** Inputs that are left as they are: masks and statistics. */
  exact?: readonly string[];
}

const list = (rule: ResultRule, names: string): [string, Result][] => names.split(' ').map((name) => [name, { rule }]);

const RESULTS: ReadonlyMap<string, Result> = new Map([
  ...list(
    'moved',
    'Identity Reshape ExpandDims Transpose Slice StridedSlice SplitV Unpack Tile BroadcastTo PadV2 Reverse',
  ),
  ...list('moved', 'GatherV2 GatherNd Scale Masked SplitHeads JoinHeads'),
  ...list('joined', 'Add AddN Sub Multiply RealDiv Maximum Minimum Concat Pack Select Neg Abs Relu'),
  ...list('product', 'BatchMatMul _FusedMatMul Linear LinearGradX RowsProduct LoraLinear LoraLinearGradX PatchEmbed'),
  ...list('rounded', 'ScatterNd UnsortedSegmentSum Rope SwiGlu SwiGluGrad GeluErf GeluErfGrad'),
  ...list('rounded', 'LayerNormGradX MaskedCrossEntropyGrad'),
  ...list('float32', 'Fill Range LinSpace ZerosLike OnesLike OneHot Where Cast'),
  ...list(
    'float32',
    'Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalNot IsFinite IsInf IsNan',
  ),
  ...list(
    'float32',
    'FloorDiv Mod Pow SquaredDifference Atan2 Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Sign Floor Ceil',
  ),
  ...list(
    'float32',
    'Round Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Erf Sigmoid Softplus Relu6 Elu EluGrad Selu LeakyRelu',
  ),
  ...list(
    'float32',
    'Prelu Step ClipByValue Sum Mean Max Min Prod All Any ArgMax ArgMin Softmax LogSoftmax Cumsum Cumprod TopK',
  ),
  ...list('float32', 'AdamWUpdate SquaredNorms DropoutMask RmsNormGradWeight LayerNormGradAffine MaskedCrossEntropy'),
  ['RmsNorm', { rule: 'rounded', statistics: [1] }],
  ['RmsNormGradX', { rule: 'rounded', exact: ['rstd'] }],
  ['LayerNorm', { rule: 'rounded', statistics: [1, 2] }],
  ['Attention', { rule: 'product', statistics: [1], exact: ['bias'] }],
  ['AttentionGrad', { rule: 'product', exact: ['bias', 'lse'] }],
]);

/**
 * What is declared of a kernel; an optional input does not change it.
 * @throws TristageError E_KERNEL for a kernel that nobody declared
 */
export function resultOf(kernelName: string): Result {
  const result = RESULTS.get(kernelName.split('+')[0] ?? '');
  if (result !== undefined) return result;
  throw new TristageError({
    kind: 'environment',
    code: 'E_KERNEL',
    message: 'nothing says in which type the results of this kernel lie',
    where: kernelName,
    found: kernelName,
    expected: 'an entry in lib/engine/torch/physical.ts',
  });
}

type Inputs = Parameters<KernelFunc>[0]['inputs'];
type Results = TensorInfo | TensorInfo[];

const isFloat = (info: TensorInfo | undefined): info is TensorInfo => info?.dtype === 'float32';

/** Runs `run` with its float inputs brought to one type; the copies are freed behind it. */
function withInputs(
  given: Inputs,
  bring: (name: string, info: TensorInfo) => TensorInfo | undefined,
  run: (inputs: Inputs) => Results,
): Results {
  const inputs = (Array.isArray(given) ? [...given] : { ...given }) as Inputs;
  const copies: Tensor[] = [];
  try {
    for (const [name, info] of Object.entries(given)) {
      const copy = isFloat(info) ? bring(name, info) : undefined;
      if (copy === undefined) continue;
      // A composite runs tfjs operations, which take tensors.
      const tensor = tf.engine().makeTensorFromTensorInfo(copy);
      copies.push(tensor);
      inputs[name] = tensor;
    }
    return run(inputs);
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

/** Float results in bfloat16, but for the statistics. */
function roundResults(results: Results, backend: TorchBackend, statistics: readonly number[] = []): Results {
  const round = (info: TensorInfo, i: number): TensorInfo => {
    if (!isFloat(info) || statistics.includes(i) || backend.narrow.isNarrow(info)) return info;
    const rounded = backend.rounded(info);
    if (info instanceof tf.Tensor) info.dispose();
    else backend.disposeData(info.dataId);
    return rounded;
  };
  return Array.isArray(results) ? results.map(round) : round(results, 0);
}

/** Runs `f` in float32: what a kernel calls inside is part of it. */
function inFloat32<T>(backend: TorchBackend, f: () => T): T {
  backend.computes = 'float32';
  try {
    return f();
  } finally {
    backend.computes = 'bf16';
  }
}

/** A kernel in both ways of computing. */
interface TwoWays {
  name: string;
  /** For float32; inputs may lie in bfloat16. */
  kernel: KernelFunc;
  /** For bfloat16: given inputs as its rule says. */
  narrow: KernelFunc;
  /** Whether `narrow` was written for bfloat16. */
  own: boolean;
}

/** A kernel that does what is declared of it while the backend computes in bfloat16. */
export function computing({ name, kernel, narrow, own }: TwoWays, backend: TorchBackend): KernelFunc {
  const { rule, statistics, exact = [] } = resultOf(name);
  const store = backend.narrow;
  const widen = (_: string, info: TensorInfo) => (store.isNarrow(info) ? store.widen(info) : undefined);
  const round = (key: string, info: TensorInfo) =>
    store.isNarrow(info) || exact.includes(key) ? undefined : backend.rounded(info);
  return (call) => {
    if (backend.computes === 'float32') return kernel(call);
    const floats = Object.values(call.inputs).filter(isFloat);
    const some = floats.some((info) => store.isNarrow(info));
    const isNarrowFirst = ([first]: TensorInfo[]) => first !== undefined && store.isNarrow(first);
    const wide = () =>
      inFloat32(backend, () => withInputs(call.inputs, widen, (inputs) => kernel({ ...call, inputs })));
    switch (rule) {
      case 'moved':
        return narrow(call);
      case 'product':
        return withInputs(call.inputs, round, (inputs) => narrow({ ...call, inputs }));
      case 'joined':
        if (floats.every((info) => store.isNarrow(info))) return narrow(call);
        return some ? roundResults(wide(), backend) : kernel(call);
      case 'rounded':
        if (own && isNarrowFirst(floats))
          return withInputs(call.inputs, round, (inputs) => narrow({ ...call, inputs }));
        return some ? roundResults(wide(), backend, statistics) : wide();
      case 'float32':
        return wide();
    }
  };
}
