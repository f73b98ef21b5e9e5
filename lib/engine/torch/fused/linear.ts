/** Linear layers, with and without a low-rank update, and the patch embedding, by torch's own operators on any device. */

import type { TensorInfo } from '../../tf.ts';
import { type Handle, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelTable, product, toShape } from '../kernels/kernel.ts';

const addProductInPlace = operator<void>('aten::addmm_');
const linear = operator('aten::linear');
const matrix = operator('aten::mm');
const multiply = operator('aten::mul.Tensor');
const permute = operator('aten::permute');
const transpose = operator('aten::t');

/** The shape of `x` with its last dimension replaced. */
const withLast = (x: TensorInfo, width: number): number[] => [...x.shape.slice(0, -1), width];

/** `[..., D]` as `[N, D]`. */
function rows(x: Handle, shape: readonly number[]): Handle {
  const width = shape[shape.length - 1]!;
  return toShape(x, [product(shape.slice(0, -1)), width]);
}

const linearKernel: Kernel = ({ backend, inputs }) => {
  const x = inputs['x']!;
  const weight = inputs['weight']!;
  const bias = inputs['bias'] === undefined ? null : backend.handle(inputs['bias']);
  const shape = withLast(x, weight.shape[0]!);
  const result = withTemporaries((keep) => {
    // As a matrix: torch's product of a 3-D tensor and a weight without bias takes a slower path.
    const flat = keep(rows(backend.handle(x), x.shape));
    return toShape(keep(linear(flat, backend.handle(weight), bias)), shape);
  });
  return backend.output(result, shape, 'float32');
};

const loraLinear: Kernel = ({ backend, inputs, attrs }) => {
  const { x, weight, a, b, mask } = inputs as Record<'x' | 'weight' | 'a' | 'b', TensorInfo> & { mask?: TensorInfo };
  const outputs = withTemporaries((keep) => {
    const flat = keep(rows(backend.handle(x), x.shape));
    const dropped = mask === undefined ? flat : keep(multiply(flat, keep(rows(backend.handle(mask), mask.shape))));
    const xa = keep(matrix(dropped, keep(transpose(backend.handle(a)))));
    const y = keep(linear(flat, backend.handle(weight), null));
    addProductInPlace(y, xa, keep(transpose(backend.handle(b))), 1, attrs['scaling'] as number);
    return { y: toShape(y, withLast(x, weight.shape[0]!)), xa: toShape(xa, withLast(x, a.shape[0]!)) };
  });
  return [
    backend.output(outputs.y, withLast(x, weight.shape[0]!), 'float32'),
    backend.output(outputs.xa, withLast(x, a.shape[0]!), 'float32'),
  ];
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
  PatchEmbed: patchEmbed,
};
