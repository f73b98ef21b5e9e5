/** Kernels that combine elements along axes. */

import { type TensorInfo, tf } from '../../tf.ts';
import { type Argument, type Handle, operator, withTemporaries } from '../binding.ts';
import { input, type Kernel, type KernelCall, type KernelTable, toType } from './kernel.ts';

interface Reduction {
  x: TensorInfo;
  axes: number[];
  keepDims: boolean;
  /** Shape of the result. */
  shape: number[];
}

/** Axes and result shape; tfjs names the axes differently from kernel to kernel. */
function reduction(call: KernelCall): Reduction {
  const x = input(call, 'x');
  const asked = (call.attrs['axis'] ?? call.attrs['reductionIndices']) as number | number[] | null | undefined;
  const axes = tf.util.parseAxisParam(asked as number | number[], x.shape);
  const keepDims = call.attrs['keepDims'] === true;
  const reduced = new Set(axes);
  const shape = keepDims ? x.shape.map((n, i) => (reduced.has(i) ? 1 : n)) : x.shape.filter((_, i) => !reduced.has(i));
  return { x, axes, keepDims, shape };
}

/** A reduction over many axes at once; over none (a scalar, or an empty list) it is the identity. */
function overAxes(name: string, rest: (x: TensorInfo) => Argument[] = () => []): Kernel {
  const run = operator(name);
  return (call) => {
    const { x, axes, keepDims, shape } = reduction(call);
    if (axes.length === 0) return call.backend.share(x);
    return call.backend.output(run(call.backend.handle(x), axes, keepDims, ...rest(x)), shape, x.dtype);
  };
}

const meanOf = operator('aten::mean.dim');

const mean: Kernel = (call) => {
  const { x, axes, keepDims, shape } = reduction(call);
  const handle = call.backend.handle(x);
  if (axes.length === 0) return call.backend.output(toType(handle, 'float32'), shape, 'float32');
  return call.backend.output(meanOf(handle, axes, keepDims, 'float32'), shape, 'float32');
};

/** A reduction that torch offers for one axis at a time. */
function axisByAxis(name: string, rest: (x: TensorInfo) => Argument[] = () => []): Kernel {
  const run = operator(name);
  return (call) => {
    const { x, axes, keepDims, shape } = reduction(call);
    if (axes.length === 0) return call.backend.share(x);
    let result: Handle = call.backend.handle(x);
    // From the last axis on, so that the remaining ones keep their numbers.
    for (const axis of [...axes].sort((a, b) => b - a)) {
      const next = run(result, axis, keepDims, ...rest(x));
      if (result !== call.backend.handle(x)) withTemporaries((keep) => keep(result));
      result = next;
    }
    return call.backend.output(result, shape, x.dtype);
  };
}

/** Position of an extreme along one axis; the first one of several equals. */
function extremePosition(name: string): Kernel {
  const run = operator(name);
  return (call) => {
    const x = input(call, 'x');
    const [axis] = tf.util.parseAxisParam(call.attrs['axis'] as number, x.shape);
    const shape = x.shape.filter((_, i) => i !== axis);
    const result = withTemporaries((keep) => {
      const handle = call.backend.handle(x);
      const comparable = x.dtype === 'bool' ? keep(toType(handle, 'uint8')) : handle;
      return toType(keep(run(comparable, axis, false)), 'int32');
    });
    return call.backend.output(result, shape, 'int32');
  };
}

/** Softmax and its logarithm, along one axis. */
function alongAxis(name: string, attribute: string): Kernel {
  const run = operator(name);
  return (call) => {
    const x = call.inputs['logits']!;
    const [axis] = tf.util.parseAxisParam((call.attrs[attribute] as number | undefined) ?? -1, x.shape);
    return call.backend.output(run(call.backend.handle(x), axis, 'float32'), x.shape, 'float32');
  };
}

const flip = operator('aten::flip');
const narrow = operator('aten::slice.Tensor');
const zeros = operator('aten::zeros');
const concatenate = operator('aten::cat');

/** Sums or products of what comes before; `exclusive` leaves the element itself out, `reverse` starts at the end. */
function cumulative(name: string, neutral: 'zeros' | 'ones'): Kernel {
  const run = operator(name);
  const fill = neutral === 'zeros' ? zeros : operator('aten::ones');
  return (call) => {
    const { backend, attrs } = call;
    const x = input(call, 'x');
    const [axis] = tf.util.parseAxisParam(attrs['axis'] as number, x.shape) as [number];
    const length = x.shape[axis]!;
    const result = withTemporaries((keep) => {
      let handle = backend.handle(x);
      if (attrs['reverse'] === true) handle = keep(flip(handle, [axis]));
      if (attrs['exclusive'] === true) {
        const first = keep(
          fill(
            x.shape.map((n, i) => (i === axis ? 1 : n)),
            x.dtype,
            null,
            backend.device,
          ),
        );
        handle = keep(concatenate([first, keep(narrow(handle, axis, 0, length - 1, 1))], axis));
      }
      const sums = run(handle, axis, x.dtype);
      return attrs['reverse'] === true ? flip(keep(sums), [axis]) : sums;
    });
    return backend.output(result, x.shape, x.dtype);
  };
}

const largest = operator<[Handle, Handle]>('aten::topk');

const topK: Kernel = (call) => {
  const x = input(call, 'x');
  const k = call.attrs['k'] as number;
  const [values, positions] = largest(call.backend.handle(x), k, -1, true, call.attrs['sorted'] !== false);
  const shape = [...x.shape.slice(0, -1), k];
  const narrowed = withTemporaries((keep) => toType(keep(positions), 'int32'));
  return [call.backend.output(values, shape, x.dtype), call.backend.output(narrowed, shape, 'int32')];
};

export const reduceKernels: KernelTable = {
  Sum: overAxes('aten::sum.dim_IntList', (x) => [x.dtype === 'bool' ? 'int32' : x.dtype]),
  Mean: mean,
  Max: overAxes('aten::amax'),
  Min: overAxes('aten::amin'),
  Prod: axisByAxis('aten::prod.dim_int', (x) => [x.dtype]),
  All: axisByAxis('aten::all.dim'),
  Any: axisByAxis('aten::any.dim'),
  ArgMax: extremePosition('aten::argmax'),
  ArgMin: extremePosition('aten::argmin'),
  Softmax: alongAxis('aten::softmax.int', 'dim'),
  LogSoftmax: alongAxis('aten::log_softmax.int', 'axis'),
  Cumsum: cumulative('aten::cumsum', 'zeros'),
  Cumprod: cumulative('aten::cumprod', 'ones'),
  TopK: topK,
};
