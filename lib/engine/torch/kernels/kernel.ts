/** What a kernel of this engine is, and the few steps that most kernels share. */

import { type DataType, type TensorInfo, tf } from '../../tf.ts';
import type { TorchBackend } from '../backend.ts';
import { type Argument, type Handle, operator, withTemporaries } from '../binding.ts';

export interface KernelCall {
  backend: TorchBackend;
  inputs: Readonly<Record<string, TensorInfo>>;
  attrs: Readonly<Record<string, unknown>>;
}

export type Kernel = (call: KernelCall) => TensorInfo | TensorInfo[];

/** tfjs kernel name -> kernel. */
export type KernelTable = Readonly<Record<string, Kernel>>;

/** A converted copy, or another handle of the same memory when the type is right already. */
const convert = operator('aten::to.dtype');
const view = operator('aten::reshape');

/** `x` in one of torch's types; the caller releases it. */
export function toType(x: Handle, type: string): Handle {
  return convert(x, type, false, false, null);
}

/** `x` in another shape of the same size: a view where the strides allow it. */
export function toShape(x: Handle, shape: readonly number[]): Handle {
  return view(x, shape);
}

/** The input of that name. */
export function input({ inputs }: KernelCall, name: string): TensorInfo {
  return inputs[name]!;
}

export function product(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Shape of an elementwise result of two shapes. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  return sameShape(a, b) ? [...a] : tf.backend_util.assertAndGetBroadcastShape([...a], [...b]);
}

/** A kernel of one input whose result has its shape and type. */
export function unary(name: string, ...rest: Argument[]): Kernel {
  const run = operator(name);
  return (call) => {
    const x = input(call, 'x');
    const result = run(call.backend.handle(x), ...rest);
    if (x.dtype === 'float32') return call.backend.output(result, x.shape, x.dtype);
    // torch widens whole numbers to floats here; tfjs keeps the type of the input.
    const narrowed = withTemporaries((keep) => toType(keep(result), x.dtype));
    return call.backend.output(narrowed, x.shape, x.dtype);
  };
}

/** A kernel of one input that asks a yes-no question of each element. */
export function predicate(name: string): Kernel {
  const run = operator(name);
  return (call) => {
    const x = input(call, 'x');
    return call.backend.output(run(call.backend.handle(x)), x.shape, 'bool');
  };
}

/** A kernel of two inputs `a` and `b` that broadcasts. */
export function binary(name: string, options: { dtype?: DataType; rest?: Argument[] } = {}): Kernel {
  const run = operator(name);
  const rest = options.rest ?? [];
  return (call) => {
    const a = input(call, 'a');
    const b = input(call, 'b');
    const shape = broadcastShape(a.shape, b.shape);
    return call.backend.output(
      run(call.backend.handle(a), call.backend.handle(b), ...rest),
      shape,
      options.dtype ?? a.dtype,
    );
  };
}
