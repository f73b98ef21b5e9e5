/** Small computations that together call every plain kernel of the torch engine, edge cases included. */
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { randomTensor } from '../../support/tensors.ts';
import type { Result } from './support.ts';

export interface KernelCase {
  /** The kernels that it calls. */
  kernels: readonly string[];
  name: string;
  run: () => Result;
  /** Relative error that is allowed; default 1e-6. */
  limit?: number;
}

const x = (shape: number[] = [3, 5], seed = 1) => randomTensor(shape, seed);
const positive = (shape: number[] = [3, 5]) => tf.add(tf.abs(x(shape)), 0.1);
const ints = (values: number[], shape: number[] = [values.length]) => tf.tensor(values, shape, 'int32');
const special = () => tf.tensor1d([1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0.5, 0]);
const bools = (seed: number, shape: number[] = [3, 5]) => tf.greater(x(shape, seed), 0);
const kernel = (name: string, inputs: Record<string, Tensor>, attrs: object = {}) =>
  tf.engine().runKernel(name, inputs, attrs as never) as Tensor;

function one(kernels: string | readonly string[], name: string, run: () => Result, limit?: number): KernelCase {
  const base = { kernels: typeof kernels === 'string' ? [kernels] : kernels, name, run };
  return limit === undefined ? base : { ...base, limit };
}

const unary = (name: string, f: (x: Tensor) => Tensor, make: () => Tensor = x, limit?: number) =>
  one(name, name, () => f(make()), limit);

const UNARY: readonly KernelCase[] = [
  unary('Neg', tf.neg),
  one('Neg', 'Neg of integers', () => tf.neg(ints([1, -2, 0]))),
  unary('Abs', tf.abs),
  unary('Exp', tf.exp),
  unary('Expm1', tf.expm1),
  unary('Log', tf.log, positive),
  one('Log', 'Log of zero and below', () => tf.log(tf.tensor1d([0, -1, 1]))),
  unary('Log1p', tf.log1p, positive),
  unary('Sqrt', tf.sqrt, positive),
  unary('Rsqrt', tf.rsqrt, positive),
  unary('Square', tf.square),
  one('Square', 'Square of integers', () => tf.square(ints([1, -2, 3]))),
  unary('Reciprocal', tf.reciprocal, positive),
  unary('Tanh', tf.tanh),
  unary('Sigmoid', tf.sigmoid),
  unary('Softplus', tf.softplus),
  unary('Erf', tf.erf, x, 1e-6),
  unary('Sin', tf.sin),
  unary('Cos', tf.cos),
  unary('Tan', tf.tan),
  unary('Asin', (t) => tf.asin(tf.clipByValue(t, -1, 1))),
  unary('Acos', (t) => tf.acos(tf.clipByValue(t, -1, 1))),
  unary('Atan', tf.atan),
  unary('Sinh', tf.sinh),
  unary('Cosh', tf.cosh),
  unary('Floor', tf.floor),
  unary('Ceil', tf.ceil),
  one('Round', 'Round goes to the even neighbour', () => tf.round(tf.tensor1d([0.5, 1.5, 2.5, -0.5, -1.5, 0.4]))),
  unary('Sign', tf.sign),
  unary('Relu', tf.relu),
  unary('Relu6', (t) => tf.relu6(tf.mul(t, 10))),
  unary('Elu', tf.elu),
  one('EluGrad', 'EluGrad', () => kernel('EluGrad', { dy: x(), y: tf.elu(x([3, 5], 2)) })),
  unary('Selu', tf.selu),
  unary('LeakyRelu', (t) => tf.leakyRelu(t, 0.3)),
  one('Prelu', 'Prelu', () => tf.prelu(x(), tf.abs(x([5], 2)))),
  one('Step', 'Step with and without slope', () => [tf.step(x()), tf.step(x(), 0.25)]),
  unary('ClipByValue', (t) => tf.clipByValue(t, -0.5, 0.5)),
  one(['IsNan', 'IsInf', 'IsFinite'], 'IsNan, IsInf, IsFinite', () =>
    [tf.isNaN, tf.isInf, tf.isFinite].map((f) => f(special())),
  ),
  one('Cast', 'Cast between all types', () => [
    tf.cast(tf.tensor1d([1.7, -1.7, 0]), 'int32'),
    tf.cast(tf.tensor1d([1.7, 0, -2]), 'bool'),
    tf.cast(ints([3, 0, -4]), 'float32'),
    tf.cast(ints([3, 0, -4]), 'bool'),
    tf.cast(bools(1), 'float32'),
    tf.cast(bools(1), 'int32'),
  ]),
  one('Identity', 'Identity', () => tf.clone(x())),
];

const BINARY: readonly KernelCase[] = [
  one(['Add', 'Sub', 'Multiply', 'RealDiv'], 'arithmetic with broadcast', () =>
    [tf.add, tf.sub, tf.mul, tf.div].map((f) => f(x([2, 3, 5]), positive([3, 1]))),
  ),
  one(['Add', 'Sub', 'Multiply'], 'arithmetic of integers', () =>
    [tf.add, tf.sub, tf.mul].map((f) => f(ints([7, -7, 3]), ints([2, 2, -5]))),
  ),
  one(['FloorDiv', 'Mod'], 'FloorDiv and Mod towards minus infinity', () => [
    tf.floorDiv(ints([7, -7, 7, -7]), ints([2, 2, -2, -2])),
    tf.mod(ints([7, -7, 7, -7]), ints([2, 2, -2, -2])),
    tf.mod(tf.tensor1d([5.5, -5.5]), tf.scalar(2)),
  ]),
  one('Pow', 'Pow', () => [tf.pow(positive(), x([5], 2)), tf.pow(ints([2, 3]), ints([3, 2]))], 1e-5),
  one(['Maximum', 'Minimum'], 'Maximum and Minimum', () => [tf.maximum(x(), x([5], 2)), tf.minimum(x(), x([3, 1], 2))]),
  one('SquaredDifference', 'SquaredDifference', () => tf.squaredDifference(x(), x([5], 2))),
  one('Atan2', 'Atan2', () => tf.atan2(x(), x([3, 5], 2))),
  one('AddN', 'AddN', () => [tf.addN([x(), x([3, 5], 2), x([3, 5], 3)]), tf.addN([x()])]),
  one(['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual'], 'comparisons', () =>
    [tf.equal, tf.notEqual, tf.greater, tf.greaterEqual, tf.less, tf.lessEqual].map((f) =>
      f(ints([1, 2, 3, 2]), ints([2])),
    ),
  ),
  one(['LogicalAnd', 'LogicalOr', 'LogicalNot'], 'logic', () => [
    tf.logicalAnd(bools(1), bools(2)),
    tf.logicalOr(bools(1), bools(2)),
    tf.logicalNot(bools(1)),
  ]),
  one('Select', 'Select', () => [
    tf.where(bools(1), x(), x([3, 5], 2)),
    tf.where(bools(1), tf.zeros([3, 5]), x([3, 5], 2)),
  ]),
];

const REDUCE: readonly KernelCase[] = [
  one('Sum', 'Sum', () => [tf.sum(x()), tf.sum(x(), 0), tf.sum(x([2, 3, 4]), [0, 2], true), tf.sum(tf.scalar(3))]),
  one('Sum', 'Sum of integers, booleans, nothing', () => [
    tf.sum(ints([1, 2, 3])),
    tf.sum(bools(1), 1),
    tf.sum(tf.zeros([0, 3]), 0),
  ]),
  one('Mean', 'Mean', () => [tf.mean(x()), tf.mean(x(), -1, true), tf.mean(ints([1, 2, 4]))]),
  one(['Max', 'Min'], 'Max and Min', () => [
    tf.max(x(), -1, true),
    tf.min(x(), 0),
    tf.max(ints([3, 9, -1])),
    tf.min(x()),
  ]),
  one('Prod', 'Prod', () => [tf.prod(x(), 1), tf.prod(x([2, 3, 2]), [0, 2], true), tf.prod(ints([2, 3, 4]))], 1e-5),
  one(['All', 'Any'], 'All and Any', () => [
    tf.all(bools(1)),
    tf.any(bools(2), 0),
    tf.all(tf.greater(x([2, 3, 4]), -9), [0, 2]),
    tf.any(bools(1), 1, true),
  ]),
  one(['ArgMax', 'ArgMin'], 'ArgMax and ArgMin', () => [
    tf.argMax(x(), -1),
    tf.argMin(x(), 0),
    tf.argMax(ints([4, 9, 9])),
  ]),
  one('Softmax', 'Softmax', () => tf.softmax(tf.mul(x([2, 3, 7]), 20))),
  one('LogSoftmax', 'LogSoftmax', () => tf.logSoftmax(tf.mul(x(), 20))),
  one('Cumsum', 'Cumsum', () => [
    tf.cumsum(x(), 1),
    tf.cumsum(x(), 0, true),
    tf.cumsum(x(), 1, false, true),
    tf.cumsum(x(), 1, true, true),
    tf.cumsum(ints([1, 2, 3])),
  ]),
  one('Cumprod', 'Cumprod', () => [tf.cumprod(x(), 1), tf.cumprod(x(), 1, true, true)]),
  one('TopK', 'TopK', () => {
    const { values, indices } = tf.topk(x([3, 9]), 4);
    return [values, indices];
  }),
];

const SHAPE: readonly KernelCase[] = [
  one('Reshape', 'Reshape, of a transposed view too', () => [
    tf.reshape(x(), [5, -1]),
    tf.reshape(tf.transpose(x()), [15]),
    tf.reshape(tf.scalar(2), [1, 1]),
  ]),
  one('ExpandDims', 'ExpandDims', () => [tf.expandDims(x(), 1), tf.expandDims(x(), -1)]),
  one('Transpose', 'Transpose', () => [
    tf.transpose(x()),
    tf.transpose(x([2, 3, 4, 5]), [2, 0, 3, 1]),
    tf.transpose(x(), [0, 1]),
  ]),
  one('Slice', 'Slice, small and large parts', () => [
    tf.slice(x(), [1, 2], [1, 3]),
    tf.slice(x(), [0, 0], [3, 4]),
    tf.slice(x(), [1], [-1]),
    tf.slice(x(), [0, 0], [0, 5]),
    tf.slice(ints([1, 2, 3]), 1, 1),
  ]),
  one('StridedSlice', 'StridedSlice forwards, backwards, with masks', () => [
    tf.stridedSlice(x([6, 7]), [1, 0], [6, 7], [2, 3]),
    tf.stridedSlice(x([6, 7]), [5, 6], [0, 1], [-2, -1]),
    tf.stridedSlice(x([6, 7]), [0, 0], [0, 0], [1, -1], 3, 3),
    tf.stridedSlice(x([6, 7]), [2, 1], [3, 4], [1, 1], 0, 0, 0, 0, 1),
    tf.stridedSlice(x([6, 7]), [3], [3], [1]),
  ]),
  one('Concat', 'Concat, empty parts too', () => [
    tf.concat([x(), x([2, 5], 2)], 0),
    tf.concat([x(), tf.zeros([3, 0]), x([3, 2], 2)], -1),
    tf.concat([tf.zeros([0, 5]), x()], 0),
    tf.concat([ints([1]), ints([2, 3])]),
  ]),
  one(['Pack', 'Unpack'], 'Pack and Unpack', () => [
    tf.stack([x(), x([3, 5], 2)], 1),
    tf.stack([x(), x([3, 5], 2)], -1),
    ...tf.unstack(x(), 0),
    ...tf.unstack(x(), -1),
  ]),
  one('SplitV', 'SplitV', () => [...tf.split(x([3, 6]), 2, 1), ...tf.split(x([3, 6]), [1, -1, 2], -1)]),
  one('Tile', 'Tile', () => [tf.tile(x(), [2, 3]), tf.tile(ints([1, 2]), [2])]),
  one('BroadcastTo', 'BroadcastTo', () => [tf.broadcastTo(x([3, 1]), [3, 4]), tf.broadcastTo(x([5]), [2, 3, 5])]),
  one('PadV2', 'PadV2', () => [
    tf.pad(
      x(),
      [
        [1, 0],
        [2, 3],
      ],
      0.5,
    ),
    tf.pad(ints([1]), [[0, 2]], 7),
  ]),
  one('Reverse', 'Reverse', () => [tf.reverse(x(), 1), tf.reverse(x()), tf.reverse(x(), -2)]),
];

const GATHER: readonly KernelCase[] = [
  one('GatherV2', 'GatherV2 along axes and batches', () => [
    tf.gather(x(), ints([2, 0, 2])),
    tf.gather(x(), ints([4, 0, 1, 1], [2, 2]), 1),
    tf.gather(x([2, 3, 4]), ints([2, 1, 0, 0], [2, 2]), 1, 1),
    tf.gather(ints([5, 6, 7]), ints([2, 2])),
  ]),
  one('GatherNd', 'GatherNd', () => [
    tf.gatherND(x(), ints([0, 1, 2, 4], [2, 2])),
    tf.gatherND(x([2, 3, 4]), ints([1, 0], [2, 1])),
  ]),
  one('ScatterNd', 'ScatterNd adds what meets at one place', () => [
    tf.scatterND(ints([1, 3, 1], [3, 1]), tf.tensor1d([1, 2, 4]), [5]),
    tf.scatterND(ints([0, 2], [2, 1]), x([2, 4]), [3, 4]),
  ]),
  one('UnsortedSegmentSum', 'UnsortedSegmentSum', () => [
    tf.unsortedSegmentSum(x([4, 3]), tf.tensor1d([1, 0, 1, 4], 'int32'), 5),
    tf.unsortedSegmentSum(x([4, 3]), tf.tensor1d([1, -1, 1, 0], 'int32'), 2),
    tf.unsortedSegmentSum(x([4]), tf.tensor1d([0, 0, 1, 1], 'int32'), 2),
  ]),
  one('OneHot', 'OneHot', () => [
    tf.oneHot(ints([1, 0, -1, 7]), 4),
    tf.oneHot(ints([1, 0], [2, 1]), 3, 0.5, -1, 'float32'),
    tf.oneHot(ints([1]), 2, 1, 0, 'int32'),
  ]),
];

const CREATE: readonly KernelCase[] = [
  one('Fill', 'Fill', () => [tf.fill([2, 3], 1.5), tf.fill([2], 3, 'int32'), tf.fill([], 2)]),
  one('Range', 'Range', () => [tf.range(0, 5), tf.range(5, 0, -2), tf.range(0, 1, 0.25), tf.range(0, 4, 1, 'int32')]),
  one('LinSpace', 'LinSpace', () => tf.linspace(-1, 2, 7)),
  one(['ZerosLike', 'OnesLike'], 'ZerosLike and OnesLike', () => [
    tf.zerosLike(x()),
    tf.onesLike(ints([1, 2])),
    tf.zerosLike(bools(1)),
  ]),
];

const PRODUCTS: readonly KernelCase[] = [
  one('BatchMatMul', 'BatchMatMul, each side transposed or not', () => [
    tf.matMul(x([3, 4]), x([4, 5], 2)),
    tf.matMul(x([4, 3]), x([4, 5], 2), true),
    tf.matMul(x([3, 4]), x([5, 4], 2), false, true),
    tf.matMul(x([4, 3]), x([5, 4], 2), true, true),
  ]),
  one('BatchMatMul', 'BatchMatMul over batches, broadcast', () => [
    tf.matMul(x([6, 3, 4]), x([6, 4, 5], 2)),
    tf.matMul(x([2, 3, 4, 3]), x([2, 3, 4, 5], 2), true),
    tf.matMul(x([2, 3, 3, 4]), x([1, 4, 5], 2)),
  ]),
  one('_FusedMatMul', '_FusedMatMul with bias and activation', () =>
    (['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const).map((activation) =>
      tf.fused.matMul({ a: x([3, 4]) as never, b: x([4, 5], 2) as never, bias: x([5], 3), activation }),
    ),
  ),
];

export const KERNEL_CASES: readonly KernelCase[] = [
  ...UNARY,
  ...BINARY,
  ...REDUCE,
  ...SHAPE,
  ...GATHER,
  ...CREATE,
  ...PRODUCTS,
];
