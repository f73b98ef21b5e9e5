/** Linear layers, with and without a low-rank update, and the patch embedding, by torch's own operators on any device. */

import type { TensorInfo } from '../../tf.ts';
import type { TorchBackend } from '../backend.ts';
import { type Handle, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelTable, product, toShape, toType } from '../kernels/kernel.ts';
import { maskedBy } from './dropout.ts';

const addProductInPlace = operator<void>('aten::addmm_');
const addInPlace = operator<void>('aten::add_.Tensor');
const fewRowsProduct = operator('tristage::few_rows_product');
const linear = operator('aten::linear');
const matrix = operator('aten::mm');
const permute = operator('aten::permute');
const scaleInPlace = operator<void>('aten::mul_.Scalar');
const transpose = operator('aten::t');

/** The shape of `x` with its last dimension replaced. */
const withLast = (x: TensorInfo, width: number): number[] => [...x.shape.slice(0, -1), width];

/** `[..., D]` as `[N, D]`. */
function rows(x: Handle, shape: readonly number[]): Handle {
  const width = shape[shape.length - 1]!;
  return toShape(x, [product(shape.slice(0, -1)), width]);
}

/**
 * Rows from which a general matrix product is faster: it packs the weight first, which takes longer than multiplying a few rows by it.
 * Measured on two cores with weights of 576 x 1,536: both are equal at about 32.
 */
const FEW_ROWS = 32;

/**
 * x f32[N, K] with a weight [M, K] and perhaps a bias, as f32[N, M]. A weight that lies in bfloat16 is widened for the product, but for
 * that of few rows, which reads it as it is.
 */
function affine(
  backend: TorchBackend,
  x: { flat: Handle; rows: number },
  weight: TensorInfo,
  bias: Handle | null,
): Handle {
  const handle = backend.handle(weight);
  if (backend.computes === 'bf16') return linear(x.flat, handle, bias);
  if (backend.device === 'cpu' && x.rows <= FEW_ROWS) {
    const y = fewRowsProduct(x.flat, handle);
    if (bias !== null) addInPlace(y, bias, 1);
    return y;
  }
  if (!backend.narrow.isNarrow(weight)) return linear(x.flat, handle, bias);
  return withTemporaries((keep) => linear(x.flat, keep(toType(handle, 'float32')), bias));
}

/** How many rows of its last dimension a tensor has. */
const rowsOf = (x: TensorInfo): number => product(x.shape.slice(0, -1));

const linearKernel: Kernel = ({ backend, inputs }) => {
  const x = inputs['x']!;
  const weight = inputs['weight']!;
  const bias = inputs['bias'] === undefined ? null : backend.handle(inputs['bias']);
  const shape = withLast(x, weight.shape[0]!);
  const result = withTemporaries((keep) => {
    // As a matrix: torch's product of a 3-D tensor and a weight without bias takes a slower path.
    const flat = keep(rows(backend.handle(x), x.shape));
    return toShape(keep(affine(backend, { flat, rows: rowsOf(x) }, weight, bias)), shape);
  });
  return backend.output(result, shape, 'float32');
};

const loraLinear: Kernel = ({ backend, inputs, attrs }) => {
  const { x, weight, a, b, mask } = inputs as Record<'x' | 'weight' | 'a' | 'b', TensorInfo> & { mask?: TensorInfo };
  const outputs = withTemporaries((keep) => {
    const flat = keep(rows(backend.handle(x), x.shape));
    const dropped = mask === undefined ? flat : keep(maskedBy(backend, flat, backend.handle(mask)));
    const xa = keep(matrix(dropped, keep(transpose(backend.handle(a)))));
    const y = keep(affine(backend, { flat, rows: rowsOf(x) }, weight, null));
    addProductInPlace(y, xa, keep(transpose(backend.handle(b))), 1, attrs['scaling'] as number);
    return { y: toShape(y, withLast(x, weight.shape[0]!)), xa: toShape(xa, withLast(x, a.shape[0]!)) };
  });
  return [
    backend.output(outputs.y, withLast(x, weight.shape[0]!), 'float32'),
    backend.output(outputs.xa, withLast(x, a.shape[0]!), 'float32'),
  ];
};

const linearGradX: Kernel = ({ backend, inputs, attrs }) => {
  const dy = inputs['dy']!;
  const weight = inputs['weight']!;
  const scaling = attrs['scaling'] as number;
  const shape = withLast(dy, weight.shape[1]!);
  const dx = withTemporaries((keep) => {
    const product = keep(matrix(keep(rows(backend.handle(dy), dy.shape)), backend.handle(weight)));
    if (scaling !== 1) scaleInPlace(product, scaling);
    return toShape(product, shape);
  });
  return backend.output(dx, shape, 'float32');
};

/** The gradient that reaches x: through the frozen weight, and added to it what comes through the adapter. */
const loraLinearGradX: Kernel = ({ backend, inputs }) => {
  const { dy, dxa, weight, a, mask } = inputs as Record<'dy' | 'dxa' | 'weight' | 'a', TensorInfo> & {
    mask?: TensorInfo;
  };
  const shape = withLast(dy, weight.shape[1]!);
  const dx = withTemporaries((keep) => {
    const sum = keep(matrix(keep(rows(backend.handle(dy), dy.shape)), backend.handle(weight)));
    const lowRank = keep(rows(backend.handle(dxa), dxa.shape));
    if (mask === undefined) addProductInPlace(sum, lowRank, backend.handle(a), 1, 1);
    else addInPlace(sum, keep(maskedBy(backend, keep(matrix(lowRank, backend.handle(a))), backend.handle(mask))), 1);
    return toShape(sum, shape);
  });
  return backend.output(dx, shape, 'float32');
};

const rowsProduct: Kernel = ({ backend, inputs, attrs }) => {
  const a = inputs['a']!;
  const b = inputs['b']!;
  const result = withTemporaries((keep) => {
    const left = keep(transpose(keep(rows(backend.handle(a), a.shape))));
    return matrix(left, keep(rows(backend.handle(b), b.shape)));
  });
  const scaling = attrs['scaling'] as number;
  if (scaling !== 1) scaleInPlace(result, scaling);
  return backend.output(result, [a.shape.at(-1)!, b.shape.at(-1)!], 'float32');
};

/** Patches as rows in channel, row, column order, then one matrix product. */
const patchEmbed: Kernel = ({ backend, inputs, attrs }) => {
  const pixels = inputs['pixels']!;
  const weight = inputs['weight']!;
  const patch = attrs['patch'] as number;
  const [batch, channels, height, width] = pixels.shape as [number, number, number, number];
  const [down, across] = [height / patch, width / patch];
  const shape = [batch, down * across, weight.shape[0]!];
  const result = withTemporaries((keep) => {
    const split = keep(toShape(backend.handle(pixels), [batch, channels, down, patch, across, patch]));
    const ordered = keep(permute(split, [0, 2, 4, 1, 3, 5]));
    const patches = keep(toShape(ordered, [batch * down * across, channels * patch * patch]));
    const flat = keep(toShape(backend.handle(weight), [weight.shape[0]!, channels * patch * patch]));
    return toShape(keep(linear(patches, flat, backend.handle(inputs['bias']!))), shape);
  });
  return backend.output(result, shape, 'float32');
};

export const linearKernels: KernelTable = {
  Linear: linearKernel,
  LoraLinear: loraLinear,
  LoraLinearGradX: loraLinearGradX,
  LinearGradX: linearGradX,
  RowsProduct: rowsProduct,
  PatchEmbed: patchEmbed,
};
