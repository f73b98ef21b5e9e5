/** Root mean square normalisation by one operator, for devices that have it (mathematics: ops/rms-norm.ts). */

import type { Handle } from '../binding.ts';
import { input, type Kernel, type KernelTable } from '../kernels/kernel.ts';

/** Everything of one floating type, but for `rstd`, which is float32. Whoever calls owns what it returns. */
export interface WholeRmsNorm {
  /** @returns y like x, and 1 / root of each row's mean square f32[..., 1] */
  forward(x: Handle, width: number, weight: Handle, eps: number): [y: Handle, rstd: Handle];
  /** @returns the gradient of x */
  backward(dy: Handle, saved: { x: Handle; rstd: Handle; width: number; weight: Handle }): Handle;
}

/** Kernels for float32 and for bfloat16. */
export function wholeRmsNormKernels(whole: WholeRmsNorm): KernelTable {
  const forward: Kernel = (call) => {
    const { backend, attrs } = call;
    const x = input(call, 'x');
    const width = x.shape.at(-1)!;
    const weight = backend.handle(input(call, 'weight'));
    const [y, rstd] = whole.forward(backend.handle(x), width, weight, attrs['eps'] as number);
    return [backend.output(y, x.shape, 'float32'), backend.output(rstd, [...x.shape.slice(0, -1), 1], 'float32')];
  };
  const gradX: Kernel = (call) => {
    const { backend } = call;
    const { shape } = input(call, 'x');
    const [dy, x, rstd, weight] = ['dy', 'x', 'rstd', 'weight'].map((name) => backend.handle(input(call, name)));
    const dx = whole.backward(dy!, { x: x!, rstd: rstd!, width: shape.at(-1)!, weight: weight! });
    return [backend.output(dx, shape, 'float32')];
  };
  return { RmsNorm: forward, RmsNormGradX: gradX };
}
