/** One AdamW update, in place where nobody else sees the tensors (mathematics: ops/adamw-update.ts). */

import type { AdamWAttrs } from '../../ops/adamw-update.ts';
import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import type { Kernel, KernelTable } from '../kernels/kernel.ts';

const addcdiv = operator<void>('aten::addcdiv_');
const addcmul = operator<void>('aten::addcmul_');
const addInPlace = operator<void>('aten::add_.Tensor');
const addScalarInPlace = operator<void>('aten::add_.Scalar');
const clone = operator('aten::clone');
const divideInPlace = operator<void>('aten::div_.Scalar');
const fusedAdamW = operator<void>('tristage::adamw_');
const multiplyInPlace = operator<void>('aten::mul_.Scalar');
const squareRoot = operator('aten::sqrt');

interface AdamWTensors {
  param: Handle;
  grad: Handle;
  m: Handle;
  v: Handle;
}

/** The update by torch's own operators, in place, for any device. */
export function updateByOperators({ param, grad, m, v }: AdamWTensors, attrs: AdamWAttrs): void {
  const { lr, beta1, beta2, eps, weightDecay, step } = attrs;
  if (weightDecay !== 0) multiplyInPlace(param, 1 - lr * weightDecay);
  multiplyInPlace(m, beta1);
  addInPlace(m, grad, 1 - beta1);
  multiplyInPlace(v, beta2);
  addcmul(v, grad, grad, 1 - beta2);
  withTemporaries((keep) => {
    const denominator = keep(squareRoot(v));
    divideInPlace(denominator, Math.sqrt(1 - beta2 ** step));
    addScalarInPlace(denominator, eps, 1);
    addcdiv(param, m, denominator, -lr / (1 - beta1 ** step));
  });
}

/** Updates in place what nobody else sees; anything that is shared is copied first. */
const adamWUpdate: Kernel = ({ backend, inputs, attrs }) => {
  const grad = backend.handle(inputs['grad']!);
  const copies: Handle[] = [];
  const own = (name: string) => {
    const info = inputs[name]!;
    if (backend.isExclusive(info)) return { handle: backend.handle(info), output: () => backend.share(info) };
    const handle = clone(backend.handle(info), 'contiguous_format');
    copies.push(handle);
    return { handle, output: () => backend.output(handle, info.shape, 'float32') };
  };
  try {
    const [param, m, v] = [own('param'), own('m'), own('v')];
    const tensors = { param: param.handle, grad, m: m.handle, v: v.handle };
    const options = attrs as AdamWAttrs;
    if (backend.device === 'cpu') {
      const { lr, beta1, beta2, eps, weightDecay, step } = options;
      fusedAdamW(param.handle, grad, m.handle, v.handle, lr, beta1, beta2, eps, weightDecay, step);
    } else {
      updateByOperators(tensors, options);
    }
    return [param.output(), m.output(), v.output()];
  } catch (error) {
    for (const copy of copies) native().release(copy);
    throw error;
  }
};

export const optimizerKernels: KernelTable = { AdamWUpdate: adamWUpdate };
