/** Kernels that make tensors from numbers. */

import { type DataType, tf } from '../../tf.ts';
import { storedType } from '../backend.ts';
import { operator } from '../binding.ts';
import { input, type Kernel, type KernelTable } from './kernel.ts';

const full = operator('aten::full');
const linspace = operator('aten::linspace');
const ones = operator('aten::ones');
const startStep = operator('aten::arange.start_step');
const zeros = operator('aten::zeros');

const fill: Kernel = ({ backend, attrs }) => {
  const shape = attrs['shape'] as number[];
  const value = attrs['value'] as number;
  const dtype = (attrs['dtype'] as DataType | undefined) ?? tf.util.inferDtype(value);
  return backend.output(full(shape, value, storedType(dtype), null, backend.device), shape, dtype);
};

const range: Kernel = ({ backend, attrs }) => {
  const { start, stop, step, dtype } = attrs as { start: number; stop: number; step: number; dtype: DataType };
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!Number.isFinite(count) || count === 0) {
    return backend.output(zeros([0], storedType(dtype), null, backend.device), [0], dtype);
  }
  const result = startStep(start, start + count * step, step, storedType(dtype), null, backend.device);
  return backend.output(result, [count], dtype);
};

const linSpace: Kernel = ({ backend, attrs }) => {
  const { start, stop, num } = attrs as { start: number; stop: number; num: number };
  return backend.output(linspace(start, stop, num, 'float32', null, backend.device), [num], 'float32');
};

const like =
  (make: typeof zeros): Kernel =>
  (call) => {
    const x = input(call, 'x');
    return call.backend.output(make(x.shape, storedType(x.dtype), null, call.backend.device), x.shape, x.dtype);
  };

export const createKernels: KernelTable = {
  Fill: fill,
  Range: range,
  LinSpace: linSpace,
  ZerosLike: like(zeros),
  OnesLike: like(ones),
};
