/** Kernels that move elements without computing: views where strides allow, copies elsewhere. */

import { type TensorInfo, tf } from '../../tf.ts';
import { type Handle, operator, withTemporaries } from '../binding.ts';
import { input, type Kernel, type KernelTable, product, toShape } from './kernel.ts';

const concatenate = operator('aten::cat');
const contiguous = operator('aten::clone');
const expand = operator('aten::expand');
const flip = operator('aten::flip');
const narrow = operator('aten::slice.Tensor');
const pad = operator('aten::constant_pad_nd');
const permute = operator('aten::permute');
const repeat = operator('aten::repeat');
const splitSizes = operator<Handle[]>('aten::split_with_sizes');
const stack = operator('aten::stack');
const unbind = operator<Handle[]>('aten::unbind.int');

const reshape: Kernel = (call) => {
  const x = input(call, 'x');
  const size = product(x.shape);
  const shape = tf.util.inferFromImplicitShape(call.attrs['shape'] as number[], size);
  return call.backend.output(toShape(call.backend.handle(x), shape), shape, x.dtype);
};

const expandDims: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['input']!;
  const dim = attrs['dim'] as number;
  const shape = [...x.shape];
  shape.splice(dim < 0 ? x.shape.length + 1 + dim : dim, 0, 1);
  return backend.output(toShape(backend.handle(x), shape), shape, x.dtype);
};

const transpose: Kernel = (call) => {
  const x = input(call, 'x');
  const perm = call.attrs['perm'] as number[];
  if (perm.every((axis, i) => axis === i)) return call.backend.share(x);
  return call.backend.output(
    permute(call.backend.handle(x), perm),
    perm.map((axis) => x.shape[axis]!),
    x.dtype,
  );
};

/** A part as a view when it is most of the whole, else as a copy: a small view would keep the whole alive. */
function partOf(view: Handle, part: readonly number[], whole: TensorInfo): Handle {
  if (2 * product(part) >= product(whole.shape)) return view;
  return withTemporaries((keep) => contiguous(keep(view), 'contiguous_format'));
}

const slice: Kernel = (call) => {
  const { backend, attrs } = call;
  const x = input(call, 'x');
  const [begin, size] = tf.slice_util.parseSliceParams(
    x as never,
    attrs['begin'] as number[],
    attrs['size'] as number[],
  ) as [number[], number[]];
  tf.slice_util.assertParamsValid(x as never, begin, size);
  const view = withTemporaries((keep) => {
    let handle = backend.handle(x);
    begin.forEach((start, axis) => {
      if (start === 0 && size[axis] === x.shape[axis]) return;
      handle = keep(narrow(handle, axis, start, start + size[axis]!, 1));
    });
    return toShape(handle, size);
  });
  return backend.output(partOf(view, size, x), size, x.dtype);
};

/** One axis of a strided slice; a negative step walks backwards from `begin` to just above `end`. */
function stride(x: Handle, axis: number, range: { begin: number; end: number; step: number }): Handle {
  const { begin, end, step } = range;
  if (step > 0) return narrow(x, axis, begin, Math.max(begin, end), step);
  return withTemporaries((keep) => {
    const forward = keep(narrow(x, axis, Math.min(end, begin) + 1, begin + 1, 1));
    return narrow(keep(flip(forward, [axis])), axis, 0, null, -step);
  });
}

const stridedSlice: Kernel = (call) => {
  const { backend, attrs } = call;
  const x = input(call, 'x');
  const numbers = (name: string) => attrs[name] as number[];
  const mask = (name: string) => attrs[name] as number;
  const info = tf.slice_util.sliceInfo(
    x.shape,
    numbers('begin'),
    numbers('end'),
    numbers('strides'),
    mask('beginMask'),
    mask('endMask'),
    mask('ellipsisMask'),
    mask('newAxisMask'),
    mask('shrinkAxisMask'),
  );
  const result = withTemporaries((keep) => {
    let handle = backend.handle(x);
    x.shape.forEach((_, axis) => {
      const range = { begin: info.begin[axis]!, end: info.end[axis]!, step: info.strides[axis]! };
      handle = keep(stride(handle, axis, range));
    });
    return contiguous(keep(toShape(handle, info.finalShape)), 'contiguous_format');
  });
  return backend.output(result, info.finalShape, x.dtype);
};

const concat: Kernel = ({ backend, inputs, attrs }) => {
  const all = Object.values(inputs);
  const first = all[0]!;
  const [axis] = tf.util.parseAxisParam(attrs['axis'] as number, first.shape) as [number];
  const shapes = all.map((x) => x.shape);
  tf.backend_util.assertParamsConsistent(shapes, axis);
  const shape = tf.backend_util.computeOutShape(shapes, axis);
  const full = all.filter((x) => product(x.shape) > 0);
  if (full.length === 1) return backend.share(full[0]!);
  const parts = full.length === 0 ? all : full;
  const result = concatenate(
    parts.map((x) => backend.handle(x)),
    axis,
  );
  return backend.output(result, shape, first.dtype);
};

const pack: Kernel = ({ backend, inputs, attrs }) => {
  const all = Object.values(inputs);
  const first = all[0]!;
  const asked = attrs['axis'] as number;
  const axis = asked < 0 ? first.shape.length + 1 + asked : asked;
  const shape = [...first.shape];
  shape.splice(axis, 0, all.length);
  return backend.output(
    stack(
      all.map((x) => backend.handle(x)),
      axis,
    ),
    shape,
    first.dtype,
  );
};

const unpack: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['value']!;
  const [axis] = tf.util.parseAxisParam(attrs['axis'] as number, x.shape) as [number];
  const shape = x.shape.filter((_, i) => i !== axis);
  return unbind(backend.handle(x), axis).map((part) => backend.output(partOf(part, shape, x), [...shape], x.dtype));
};

const split: Kernel = (call) => {
  const { backend, attrs } = call;
  const x = input(call, 'x');
  const [axis] = tf.util.parseAxisParam(attrs['axis'] as number, x.shape) as [number];
  const sizes = tf.backend_util.prepareSplitSize(x as never, attrs['numOrSizeSplits'] as number[], axis);
  return splitSizes(backend.handle(x), sizes, axis).map((part, i) => {
    const shape = x.shape.map((n, j) => (j === axis ? sizes[i]! : n));
    return backend.output(partOf(part, shape, x), shape, x.dtype);
  });
};

const tile: Kernel = (call) => {
  const x = input(call, 'x');
  const reps = call.attrs['reps'] as number[];
  return call.backend.output(
    repeat(call.backend.handle(x), reps),
    x.shape.map((n, i) => n * reps[i]!),
    x.dtype,
  );
};

const broadcastTo: Kernel = (call) => {
  const x = input(call, 'x');
  const shape = call.attrs['shape'] as number[];
  return call.backend.output(expand(call.backend.handle(x), shape, false), shape, x.dtype);
};

const padKernel: Kernel = (call) => {
  const x = input(call, 'x');
  const paddings = call.attrs['paddings'] as [number, number][];
  // torch lists the last axis first.
  const result = pad(call.backend.handle(x), [...paddings].reverse().flat(), call.attrs['constantValue'] as number);
  return call.backend.output(
    result,
    x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1]),
    x.dtype,
  );
};

const reverse: Kernel = (call) => {
  const x = input(call, 'x');
  const axes = tf.util.parseAxisParam(call.attrs['dims'] as number[], x.shape);
  return call.backend.output(flip(call.backend.handle(x), axes), x.shape, x.dtype);
};

export const shapeKernels: KernelTable = {
  Reshape: reshape,
  ExpandDims: expandDims,
  Transpose: transpose,
  Slice: slice,
  StridedSlice: stridedSlice,
  Concat: concat,
  Pack: pack,
  Unpack: unpack,
  SplitV: split,
  Tile: tile,
  BroadcastTo: broadcastTo,
  PadV2: padKernel,
  Reverse: reverse,
};
