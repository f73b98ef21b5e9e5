/** Kernels that compute each element from the elements at its place. */

import type { TensorInfo } from '../../tf.ts';
import { operator, withTemporaries } from '../binding.ts';
import { binary, broadcastShape, input, type Kernel, type KernelTable, predicate, toType, unary } from './kernel.ts';

const add = operator('aten::add.Tensor');
const addInPlace = operator<void>('aten::add_.Tensor');
const clamp = operator('aten::clamp');
const divide = operator('aten::div.Tensor_mode');
const elu = operator('aten::elu');
const greaterThan = operator('aten::gt.Scalar');
const greaterEqual = operator('aten::ge.Scalar');
const leakyRelu = operator('aten::leaky_relu');
const multiply = operator('aten::mul.Tensor');
const multiplyScalar = operator('aten::mul.Scalar');
const addScalar = operator('aten::add.Scalar');
const subtract = operator('aten::sub.Tensor');
const where = operator('aten::where.self');
const whereScalars = operator('aten::where.Scalar');

const cast: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['x']!;
  const dtype = attrs['dtype'] as TensorInfo['dtype'];
  if (dtype === x.dtype) return backend.share(x);
  return backend.output(toType(backend.handle(x), dtype), x.shape, dtype);
};

const addN: Kernel = ({ backend, inputs }) => {
  const all = Object.values(inputs);
  const first = all[0]!;
  if (all.length === 1) return backend.share(first);
  const sum = add(backend.handle(first), backend.handle(all[1]!), 1);
  for (const next of all.slice(2)) addInPlace(sum, backend.handle(next), 1);
  return backend.output(sum, first.shape, first.dtype);
};

/** Quotient rounded towards minus infinity. */
const floorDivide: Kernel = ({ backend, inputs }) => {
  const a = inputs['a']!;
  const b = inputs['b']!;
  const shape = broadcastShape(a.shape, b.shape);
  return backend.output(divide(backend.handle(a), backend.handle(b), 'floor'), shape, a.dtype);
};

const squaredDifference: Kernel = ({ backend, inputs }) => {
  const a = inputs['a']!;
  const b = inputs['b']!;
  const result = withTemporaries((keep) => {
    const difference = keep(subtract(backend.handle(a), backend.handle(b), 1));
    return multiply(difference, difference);
  });
  return backend.output(result, broadcastShape(a.shape, b.shape), a.dtype);
};

/** 1 above zero, `alpha` elsewhere. */
const step: Kernel = (call) => {
  const { backend, attrs } = call;
  const x = input(call, 'x');
  const alpha = (attrs['alpha'] as number | undefined) ?? 0;
  const result = withTemporaries((keep) => {
    const above = keep(greaterThan(backend.handle(x), 0));
    return alpha === 0 ? toType(above, x.dtype) : toType(keep(whereScalars(above, 1, alpha)), x.dtype);
  });
  return backend.output(result, x.shape, x.dtype);
};

const clip: Kernel = (call) => {
  const { backend, attrs } = call;
  const x = input(call, 'x');
  const result = clamp(backend.handle(x), attrs['clipValueMin'] as number, attrs['clipValueMax'] as number);
  return backend.output(result, x.shape, x.dtype);
};

const eluKernel: Kernel = (call) => {
  const x = input(call, 'x');
  return call.backend.output(elu(call.backend.handle(x), 1, 1, 1), x.shape, x.dtype);
};

/** d elu: `dy` where y is not negative, else dy (y + 1). */
const eluGrad: Kernel = ({ backend, inputs }) => {
  const dy = backend.handle(inputs['dy']!);
  const y = backend.handle(inputs['y']!);
  const result = withTemporaries((keep) =>
    where(keep(greaterEqual(y, 0)), dy, keep(multiply(dy, keep(addScalar(y, 1, 1))))),
  );
  return backend.output(result, inputs['dy']!.shape, inputs['dy']!.dtype);
};

const leakyReluKernel: Kernel = (call) => {
  const x = input(call, 'x');
  const alpha = call.attrs['alpha'] as number;
  return call.backend.output(leakyRelu(call.backend.handle(x), alpha), x.shape, x.dtype);
};

const prelu: Kernel = ({ backend, inputs }) => {
  const x = inputs['x']!;
  const handle = backend.handle(x);
  const result = withTemporaries((keep) =>
    where(keep(greaterThan(handle, 0)), handle, keep(multiply(handle, backend.handle(inputs['alpha']!)))),
  );
  return backend.output(result, x.shape, x.dtype);
};

const select: Kernel = ({ backend, inputs }) => {
  const then = inputs['t']!;
  const result = where(backend.handle(inputs['condition']!), backend.handle(then), backend.handle(inputs['e']!));
  const condition = inputs['condition']!.shape;
  return backend.output(result, broadcastShape(condition, broadcastShape(then.shape, inputs['e']!.shape)), then.dtype);
};

const negate: Kernel = (call) => {
  const x = input(call, 'x');
  return call.backend.output(multiplyScalar(call.backend.handle(x), -1), x.shape, x.dtype);
};

export const elementwiseKernels: KernelTable = {
  Identity: (call) => call.backend.share(input(call, 'x')),
  Cast: cast,
  Add: binary('aten::add.Tensor', { rest: [1] }),
  AddN: addN,
  Sub: binary('aten::sub.Tensor', { rest: [1] }),
  Multiply: binary('aten::mul.Tensor'),
  RealDiv: binary('aten::div.Tensor'),
  FloorDiv: floorDivide,
  Mod: binary('aten::remainder.Tensor'),
  Pow: binary('aten::pow.Tensor_Tensor'),
  Maximum: binary('aten::maximum'),
  Minimum: binary('aten::minimum'),
  SquaredDifference: squaredDifference,
  Atan2: binary('aten::atan2'),
  Equal: binary('aten::eq.Tensor', { dtype: 'bool' }),
  NotEqual: binary('aten::ne.Tensor', { dtype: 'bool' }),
  Greater: binary('aten::gt.Tensor', { dtype: 'bool' }),
  GreaterEqual: binary('aten::ge.Tensor', { dtype: 'bool' }),
  Less: binary('aten::lt.Tensor', { dtype: 'bool' }),
  LessEqual: binary('aten::le.Tensor', { dtype: 'bool' }),
  LogicalAnd: binary('aten::logical_and', { dtype: 'bool' }),
  LogicalOr: binary('aten::logical_or', { dtype: 'bool' }),
  LogicalNot: predicate('aten::logical_not'),
  IsFinite: predicate('aten::isfinite'),
  IsInf: predicate('aten::isinf'),
  IsNan: predicate('aten::isnan'),
  Neg: negate,
  Abs: unary('aten::abs'),
  Exp: unary('aten::exp'),
  Expm1: unary('aten::expm1'),
  Log: unary('aten::log'),
  Log1p: unary('aten::log1p'),
  Sqrt: unary('aten::sqrt'),
  Rsqrt: unary('aten::rsqrt'),
  Square: unary('aten::square'),
  Reciprocal: unary('aten::reciprocal'),
  Sign: unary('aten::sign'),
  Floor: unary('aten::floor'),
  Ceil: unary('aten::ceil'),
  Round: unary('aten::round'),
  Sin: unary('aten::sin'),
  Cos: unary('aten::cos'),
  Tan: unary('aten::tan'),
  Asin: unary('aten::asin'),
  Acos: unary('aten::acos'),
  Atan: unary('aten::atan'),
  Sinh: unary('aten::sinh'),
  Cosh: unary('aten::cosh'),
  Tanh: unary('aten::tanh'),
  Erf: unary('aten::erf'),
  Sigmoid: unary('aten::sigmoid'),
  Softplus: unary('aten::softplus', 1, 20),
  Relu: unary('aten::relu'),
  Relu6: unary('aten::clamp', 0, 6),
  Elu: eluKernel,
  EluGrad: eluGrad,
  Selu: unary('aten::selu'),
  LeakyRelu: leakyReluKernel,
  Prelu: prelu,
  Step: step,
  ClipByValue: clip,
  Select: select,
};
