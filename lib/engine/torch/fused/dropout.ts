/** Dropout masks made on the device where they are used (mathematics: ops/dropout-mask.ts), and their use, by torch's operators. */

import { type DropoutMaskArgs, dropoutThreshold } from '../../ops/dropout-mask.ts';
import type { TorchBackend } from '../backend.ts';
import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import { input, type Kernel, type KernelTable, toShape } from '../kernels/kernel.ts';

const atLeast = operator('aten::ge.Scalar');
const loop = operator('tristage::masked');
const multiply = operator('aten::mul.Tensor');
const unsqueeze = operator('aten::unsqueeze');

/** The keys made odd, int32 on the device. */
function odd(keys: Int32Array, device: string): Handle {
  return native().fromData(
    keys.map((key) => key | 1),
    'int32',
    [keys.length],
    'int32',
    device,
  );
}

const dropoutMask: Kernel = ({ backend, attrs }) => {
  const { rowKeys, columnKeys, rate } = attrs as DropoutMaskArgs;
  const mask = withTemporaries((keep) => {
    const rows = keep(unsqueeze(keep(odd(rowKeys, backend.device)), 1));
    // int32 wraps around.
    return atLeast(keep(multiply(rows, keep(odd(columnKeys, backend.device)))), dropoutThreshold(rate));
  });
  return backend.output(mask, [rowKeys.length, columnKeys.length], 'bool');
};

/** x where the mask is true, else 0, in the type of x; the caller releases it. */
export function maskedBy({ device, computes }: TorchBackend, x: Handle, mask: Handle): Handle {
  return device === 'cpu' && computes === 'float32' ? loop(x, mask) : multiply(x, mask);
}

const masked: Kernel = (call) => {
  const { backend } = call;
  const x = input(call, 'x');
  const y = withTemporaries((keep) => {
    const mask = keep(toShape(backend.handle(input(call, 'mask')), x.shape));
    return maskedBy(backend, backend.handle(x), mask);
  });
  return backend.output(y, x.shape, 'float32');
};

export const dropoutKernels: KernelTable = { DropoutMask: dropoutMask, Masked: masked };
