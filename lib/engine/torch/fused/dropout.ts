/**
 * Dropout masks on the device where they are used: the mixing function of ops/dropout-mask.ts, bit for bit, by torch's operators on
 * int32. Made on the host a mask of a large model would be its largest upload.
 */

import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelTable, toType } from '../kernels/kernel.ts';

const add = operator('aten::add.Tensor');
const andInPlace = operator<void>('aten::bitwise_and_.Scalar');
const atLeast = operator('aten::ge.Scalar');
const flipInPlace = operator<void>('aten::bitwise_xor_.Scalar');
const multiplyInPlace = operator<void>('aten::mul_.Scalar');
const range = operator('aten::arange');
const shiftRight = operator('aten::bitwise_right_shift.Tensor_Scalar');
const unsqueeze = operator('aten::unsqueeze');
const xorInPlace = operator<void>('aten::bitwise_xor_.Tensor');

/** `x ^= x >>> by`, as if x were unsigned: torch's shift copies the sign, which is masked away. */
function xorShifted(x: Handle, by: number): void {
  withTemporaries((keep) => {
    const shifted = keep(shiftRight(x, by));
    andInPlace(shifted, 2 ** (32 - by) - 1);
    xorInPlace(x, shifted);
  });
}

/** The factor as int32 has it: products wrap around. */
const signed = (factor: number): number => factor | 0;

const dropoutMask: Kernel = ({ backend, attrs }) => {
  const { rowKeys, columns, rate } = attrs as { rowKeys: Int32Array; columns: number; rate: number };
  const { device } = backend;
  const mask = withTemporaries((keep) => {
    const keys = keep(native().fromData(rowKeys, 'int32', [rowKeys.length], 'int32', device));
    const x = keep(add(keep(unsqueeze(keys, 1)), keep(range(columns, 'int32', null, device)), 1));
    xorShifted(x, 16);
    multiplyInPlace(x, signed(0x7feb352d));
    xorShifted(x, 15);
    multiplyInPlace(x, signed(0x846ca68b));
    xorShifted(x, 16);
    // Numbers without a sign compare as those with one do, half the range lower.
    flipInPlace(x, -(2 ** 31));
    const kept = toType(keep(atLeast(x, Math.floor(rate * 2 ** 32) - 2 ** 31)), 'float32');
    multiplyInPlace(kept, Math.fround(1 / (1 - rate)));
    return kept;
  });
  return backend.output(mask, [rowKeys.length, columns], 'float32');
};

export const dropoutKernels: KernelTable = { DropoutMask: dropoutMask };
