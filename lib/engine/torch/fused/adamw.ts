/** AdamW updates, in place where nobody else sees the tensors (mathematics: ops/adamw-update.ts). */

import { type AdamWAttrs, adamwInput } from '../../ops/adamw-update.ts';
import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import { input, type Kernel, type KernelCall, type KernelTable } from '../kernels/kernel.ts';

const addcdiv = operator<void>('aten::addcdiv_');
const addcmul = operator<void>('aten::addcmul_');
const addInPlace = operator<void>('aten::add_.Tensor');
const addScalarInPlace = operator<void>('aten::add_.Scalar');
const clone = operator('aten::clone');
const divideInPlace = operator<void>('aten::div_.Scalar');
const fusedAdamW = operator<void>('tristage::adamw_');
const multiplyInPlace = operator<void>('aten::mul_.Scalar');
const scaled = operator('aten::mul.Scalar');
const squareRoot = operator('aten::sqrt');

/** Tensors of one parameter; all but the gradient may be changed. */
export interface AdamWTensors {
  param: Handle;
  grad: Handle;
  m: Handle;
  v: Handle;
}

/** One update of a call. */
export interface AdamWItem {
  tensors: AdamWTensors;
  attrs: AdamWAttrs;
}

/** The update by torch's own operators, in place, for any device. */
export function updateByOperators({ param, grad: given, m, v }: AdamWTensors, attrs: AdamWAttrs): void {
  const { lr, beta1, beta2, eps, weightDecay, step, gradScale } = attrs;
  withTemporaries((keep) => {
    const grad = gradScale === 1 ? given : keep(scaled(given, gradScale));
    if (weightDecay !== 0) multiplyInPlace(param, 1 - lr * weightDecay);
    multiplyInPlace(m, beta1);
    addInPlace(m, grad, 1 - beta1);
    multiplyInPlace(v, beta2);
    addcmul(v, grad, grad, 1 - beta2);
    const denominator = keep(squareRoot(v));
    divideInPlace(denominator, Math.sqrt(1 - beta2 ** step));
    addScalarInPlace(denominator, eps, 1);
    addcdiv(param, m, denominator, -lr / (1 - beta1 ** step));
  });
}

/** By the addon's own loop, which knows the CPU alone. */
function updateByLoop({ param, grad, m, v }: AdamWTensors, attrs: AdamWAttrs): void {
  const { lr, beta1, beta2, eps, weightDecay, step, gradScale } = attrs;
  fusedAdamW(param, grad, m, v, lr, beta1, beta2, eps, weightDecay, step, gradScale);
}

/** The kernel that updates so, whatever is shared being copied first. */
export function adamwKernel(updateAll: (items: readonly AdamWItem[]) => void): Kernel {
  return (call: KernelCall) => {
    const { backend } = call;
    const copies: Handle[] = [];
    const own = (name: string) => {
      const info = input(call, name);
      if (backend.isExclusive(info)) return { handle: backend.handle(info), output: () => backend.share(info) };
      const handle = clone(backend.handle(info), 'contiguous_format');
      copies.push(handle);
      return { handle, output: () => backend.output(handle, info.shape, 'float32') };
    };
    try {
      const owned = (call.attrs['updates'] as AdamWAttrs[]).map((attrs, i) => {
        const [param, m, v] = [own(adamwInput('param', i)), own(adamwInput('m', i)), own(adamwInput('v', i))];
        const grad = backend.handle(input(call, adamwInput('grad', i)));
        const item = { attrs, tensors: { param: param.handle, grad, m: m.handle, v: v.handle } };
        return { item, results: [param, m, v] };
      });
      updateAll(owned.map(({ item }) => item));
      return owned.flatMap(({ results }) => results.map(({ output }) => output()));
    } catch (error) {
      for (const copy of copies) native().release(copy);
      throw error;
    }
  };
}

export const optimizerKernels: KernelTable = {
  AdamWUpdate: adamwKernel((items) => {
    for (const { tensors, attrs } of items) updateByOperators(tensors, attrs);
  }),
};

/** On the CPU. */
export const optimizerLoops: KernelTable = {
  AdamWUpdate: adamwKernel((items) => {
    for (const { tensors, attrs } of items) updateByLoop(tensors, attrs);
  }),
};
