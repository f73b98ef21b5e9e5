/** Kernels that read or write elements at positions given by another tensor. */

import { type DataType, type TensorInfo, tf } from '../../tf.ts';
import { storedType, type TorchBackend } from '../backend.ts';
import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelTable, product, toShape, toType } from './kernel.ts';

const arange = operator('aten::arange');
const embeddingGrad = operator('aten::embedding_dense_backward');
const equal = operator('aten::eq.Tensor');
const expand = operator('aten::expand');
const gatherAlong = operator('aten::gather');
const indexAddInPlace = operator<void>('aten::index_add_');
const indexPutInPlace = operator<void>('aten::index_put_');
const indexSelect = operator('aten::index_select');
const indexTensor = operator('aten::index.Tensor');
const nonzero = operator('aten::nonzero');
const unbind = operator<Handle[]>('aten::unbind.int');
const whereScalars = operator('aten::where.Scalar');
const zeros = operator('aten::zeros');

const gather: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['x']!;
  const indices = inputs['indices']!;
  const [axis] = tf.util.parseAxisParam(attrs['axis'] as number, x.shape) as [number];
  const batchDims = (attrs['batchDims'] as number | undefined) ?? 0;
  const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(x as never, indices as never, axis, batchDims);
  const shape = info.outputShape;
  const result = withTemporaries((keep) => {
    const positions = keep(toType(backend.handle(indices), 'int64'));
    if (batchDims === 0) {
      const flat = keep(toShape(positions, [product(indices.shape)]));
      return toShape(keep(indexSelect(backend.handle(x), axis, flat)), shape);
    }
    // [batch, outer, positions, inner]: every slice of a batch element reads the same positions.
    const count = product(indices.shape) / info.batchSize;
    const source = keep(toShape(backend.handle(x), [info.batchSize, info.outerSize, info.dimSize, info.sliceSize]));
    const column = keep(toShape(positions, [info.batchSize, 1, count, 1]));
    const every = keep(expand(column, [info.batchSize, info.outerSize, count, info.sliceSize], false));
    return toShape(keep(gatherAlong(source, 2, every, false)), shape);
  });
  return backend.output(result, shape, x.dtype);
};

/** The last axis of an index tensor as one int64 tensor per coordinate. */
function coordinates(backend: TorchBackend, indices: TensorInfo, keep: (tensor: Handle) => Handle): Handle[] {
  return unbind(keep(toType(backend.handle(indices), 'int64')), indices.shape.length - 1).map(keep);
}

const gatherNd: Kernel = ({ backend, inputs }) => {
  const params = inputs['params']!;
  const indices = inputs['indices']!;
  const depth = indices.shape[indices.shape.length - 1]!;
  const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
  const result = withTemporaries((keep) => indexTensor(backend.handle(params), coordinates(backend, indices, keep)));
  return backend.output(result, shape, params.dtype);
};

const scatterNd: Kernel = ({ backend, inputs, attrs }) => {
  const updates = inputs['updates']!;
  const shape = attrs['shape'] as number[];
  const result = zeros(shape, updates.dtype, null, backend.device);
  try {
    withTemporaries((keep) => {
      const at = coordinates(backend, inputs['indices']!, keep);
      indexPutInPlace(result, at, backend.handle(updates), true);
    });
  } catch (error) {
    native().release(result);
    throw error;
  }
  return backend.output(result, shape, updates.dtype);
};

/** Rows of `x` added up by segment: the gradient of `gather` along the first axis. */
const unsortedSegmentSum: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['x']!;
  const segments = inputs['segmentIds']!;
  const count = attrs['numSegments'] as number;
  const shape = [count, ...x.shape.slice(segments.shape.length)];
  const rows = product(segments.shape);
  const result = withTemporaries((keep) => {
    const ids = keep(toShape(keep(toType(backend.handle(segments), 'int64')), [rows]));
    const flat = keep(toShape(backend.handle(x), [rows, product(shape.slice(1))]));
    if (x.dtype === 'float32') {
      // The parallel sum of torch's embedding gradient; -1 as padding index drops negative segments, as tfjs does.
      return toShape(keep(embeddingGrad(flat, ids, count, -1, false)), shape);
    }
    const sums = keep(zeros([count, product(shape.slice(1))], x.dtype, null, backend.device));
    indexAddInPlace(sums, 0, ids, flat, 1);
    return toShape(sums, shape);
  });
  return backend.output(result, shape, x.dtype);
};

const oneHot: Kernel = ({ backend, inputs, attrs }) => {
  const indices = inputs['indices']!;
  const depth = attrs['depth'] as number;
  const dtype = ((attrs['dtype'] as DataType | undefined) ?? 'float32') as DataType;
  const on = (attrs['onValue'] as number | undefined) ?? 1;
  const off = (attrs['offValue'] as number | undefined) ?? 0;
  const result = withTemporaries((keep) => {
    const column = keep(toShape(backend.handle(indices), [...indices.shape, 1]));
    const positions = keep(arange(depth, 'int32', null, backend.device));
    return toType(keep(whereScalars(keep(equal(column, positions)), on, off)), storedType(dtype));
  });
  return backend.output(result, [...indices.shape, depth], dtype);
};

/** Coordinates of the elements that are not zero: int32[N, rank]. */
const whereKernel: Kernel = ({ backend, inputs }) => {
  const condition = inputs['condition']!;
  const result = withTemporaries((keep) => toType(keep(nonzero(backend.handle(condition))), 'int32'));
  return backend.output(result, native().shape(result), 'int32');
};

export const gatherKernels: KernelTable = {
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  UnsortedSegmentSum: unsortedSegmentSum,
  OneHot: oneHot,
  Where: whereKernel,
};
