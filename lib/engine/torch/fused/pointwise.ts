/**
 * Element by element, by torch's own operators on any device and of any floating type: scaling, rotary embedding, the gated activation.
 * On bfloat16 torch computes each operation in float32 and rounds its result.
 */

import { type Handle, makingResults, operator, withTemporaries } from '../binding.ts';
import { input, type Kernel, type KernelTable, toShape } from '../kernels/kernel.ts';

const addProductInPlace = operator<void>('aten::addcmul_');
const emptyLike = operator('aten::empty_like');
const multiply = operator('aten::mul.Tensor');
const multiplyInPlace = operator<void>('aten::mul_.Tensor');
const multiplyInto = operator<void>('aten::mul.out');
const scaled = operator('aten::mul.Scalar');
const silu = operator('aten::silu');
const siluBackward = operator('aten::silu_backward');
const slice = operator('aten::slice.Tensor');
const swap = operator('aten::transpose.int');
const unsqueeze = operator('aten::unsqueeze');

const scale: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['x']!;
  return backend.output(scaled(backend.handle(x), attrs['by'] as number), x.shape, 'float32');
};

/** Each half of the result is written in two passes, with no copy of a half on the way; it lies in memory as x does. */
const rope: Kernel = (call) => {
  const { backend, attrs } = call;
  const info = input(call, 'x');
  const width = info.shape[3]!;
  const sign = attrs['inverse'] === true ? -1 : 1;
  const x = backend.handle(info);
  const y = makingResults((own) => {
    const result = own(emptyLike(x));
    withTemporaries((keep) => {
      const half = (of: Handle, i: number) => keep(slice(of, -1, (i * width) / 2, ((i + 1) * width) / 2, 1));
      const [cos, sin] = ['cos', 'sin'].map((name) => keep(unsqueeze(backend.handle(input(call, name)), 1)));
      const [x1, x2, y1, y2] = [half(x, 0), half(x, 1), half(result, 0), half(result, 1)];
      multiplyInto(x1, cos, y1);
      addProductInPlace(y1, x2, sin, -sign);
      multiplyInto(x2, cos, y2);
      addProductInPlace(y2, x1, sin, sign);
    });
    return result;
  });
  return backend.output(y, info.shape, 'float32');
};

const swiGlu: Kernel = (call) => {
  const { backend } = call;
  const gate = input(call, 'gate');
  const y = makingResults((own) => {
    const result = own(silu(backend.handle(gate)));
    multiplyInPlace(result, backend.handle(input(call, 'up')));
    return result;
  });
  return backend.output(y, gate.shape, 'float32');
};

const swiGluGrad: Kernel = (call) => {
  const { backend } = call;
  const { shape } = input(call, 'gate');
  const [dy, gate, up] = ['dy', 'gate', 'up'].map((name) => backend.handle(input(call, name)));
  const [dgate, dup] = makingResults((own) => {
    const result = own(silu(gate!));
    multiplyInPlace(result, dy!);
    return [withTemporaries((keep) => siluBackward(keep(multiply(dy!, up!)), gate!)), result];
  });
  return [backend.output(dgate!, shape, 'float32'), backend.output(dup!, shape, 'float32')];
};

const splitHeads: Kernel = (call) => {
  const { backend, attrs } = call;
  const x = input(call, 'x');
  const [batch, tokens, width] = x.shape as [number, number, number];
  const heads = attrs['heads'] as number;
  const y = withTemporaries((keep) =>
    swap(keep(toShape(backend.handle(x), [batch, tokens, heads, width / heads])), 1, 2),
  );
  return backend.output(y, [batch, heads, tokens, width / heads], 'float32');
};

const joinHeads: Kernel = (call) => {
  const { backend } = call;
  const x = input(call, 'x');
  const [batch, heads, tokens, width] = x.shape as [number, number, number, number];
  const shape = [batch, tokens, heads * width];
  return backend.output(
    withTemporaries((keep) => toShape(keep(swap(backend.handle(x), 1, 2)), shape)),
    shape,
    'float32',
  );
};

/** Other views of the same numbers. */
export const headKernels: KernelTable = { SplitHeads: splitHeads, JoinHeads: joinHeads };

export const pointwiseKernels: KernelTable = { Scale: scale, Rope: rope, SwiGlu: swiGlu, SwiGluGrad: swiGluGrad };
