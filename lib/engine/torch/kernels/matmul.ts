/** Matrix products. */

import { TristageError } from '../../../core/errors.ts';
import { type TensorInfo, tf } from '../../tf.ts';
import { type Argument, type Handle, native, operator, withTemporaries } from '../binding.ts';
import type { Kernel, KernelCall, KernelTable } from './kernel.ts';

const addInPlace = operator<void>('aten::add_.Tensor');
const batched = operator('aten::bmm');
const matrix = operator('aten::mm');
const matmul = operator('aten::matmul');
const swap = operator('aten::transpose.int');

/** a b with leading axes broadcast; either may be transposed in its last two axes. */
function multiply({ backend, inputs, attrs }: KernelCall): { result: Handle; shape: number[] } {
  const a = inputs['a']!;
  const b = inputs['b']!;
  const rows = (x: TensorInfo, flipped: unknown) => x.shape[x.shape.length - (flipped === true ? 1 : 2)]!;
  const columns = (x: TensorInfo, flipped: unknown) => x.shape[x.shape.length - (flipped === true ? 2 : 1)]!;
  const leading = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...leading, rows(a, attrs['transposeA']), columns(b, attrs['transposeB'])];
  const result = withTemporaries((keep) => {
    const side = (x: TensorInfo, flipped: unknown) =>
      flipped === true ? keep(swap(backend.handle(x), -2, -1)) : backend.handle(x);
    const left = side(a, attrs['transposeA']);
    const right = side(b, attrs['transposeB']);
    if (a.shape.length === 2 && b.shape.length === 2) return matrix(left, right);
    if (a.shape.length === 3 && b.shape.length === 3 && a.shape[0] === b.shape[0]) return batched(left, right);
    return matmul(left, right);
  });
  return { result, shape };
}

const batchMatMul: Kernel = (call) => {
  const { result, shape } = multiply(call);
  return call.backend.output(result, shape, call.inputs['a']!.dtype);
};

/** Activation -> operator and its further arguments. */
const ACTIVATIONS: Readonly<Record<string, readonly [run: (...args: Argument[]) => Handle, ...rest: Argument[]]>> = {
  relu: [operator('aten::relu')],
  relu6: [operator('aten::clamp'), 0, 6],
  elu: [operator('aten::elu'), 1, 1, 1],
  sigmoid: [operator('aten::sigmoid')],
};

function activate(x: Handle, name: string, slope: number): Handle {
  if (name === 'linear') return x;
  return withTemporaries((keep) => {
    keep(x);
    if (name === 'leakyrelu') return operator('aten::leaky_relu')(x, slope);
    const known = ACTIVATIONS[name];
    if (known !== undefined) return known[0](x, ...(known.slice(1) as Argument[]));
    throw new TristageError({
      kind: 'environment',
      code: 'E_KERNEL',
      message: `the torch engine has no fused activation '${name}'`,
      where: '_FusedMatMul',
      expected: ['linear', 'leakyrelu', ...Object.keys(ACTIVATIONS)].join(', '),
      fix: 'apply the activation as an operation of its own',
    });
  });
}

const fusedMatMul: Kernel = (call) => {
  const { backend, inputs, attrs } = call;
  const { result, shape } = multiply(call);
  try {
    if (inputs['bias'] !== undefined) addInPlace(result, backend.handle(inputs['bias']), 1);
  } catch (error) {
    native().release(result);
    throw error;
  }
  const name = (attrs['activation'] as string | undefined) ?? 'linear';
  const output = activate(result, name, (attrs['leakyreluAlpha'] as number | undefined) ?? 0.2);
  return backend.output(output, shape, inputs['a']!.dtype);
};

export const matmulKernels: KernelTable = {
  BatchMatMul: batchMatMul,
  _FusedMatMul: fusedMatMul,
};
