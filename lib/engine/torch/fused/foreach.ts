/** What is done to all trained weights of a step, by operators that take lists of tensors: one call for many small kernels. */

import type { AdamWAttrs } from '../../ops/adamw-update.ts';
import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelTable, product } from '../kernels/kernel.ts';
import { type AdamWItem, adamwKernel } from './adamw.ts';

const contiguous = operator('aten::contiguous');
const fusedAdamW = operator<void>('aten::_fused_adamw_');
const norms = operator<Handle[]>('aten::_foreach_norm.Scalar');
const scaledAll = operator<Handle[]>('aten::_foreach_mul.Scalar');
const square = operator('aten::square');
const stack = operator('aten::stack');
const unbind = operator<Handle[]>('aten::unbind.int');

type Shared = Omit<AdamWAttrs, 'step'>;

/** Elements, or one weight, whose gradients are scaled together: the copies are there at once. */
const TOGETHER = 2 ** 24;

interface Group {
  shared: Shared;
  items: AdamWItem[];
  elements: number;
}

/** Updates that differ in their tensors and steps alone, in groups that are not too large. */
function alike(items: readonly AdamWItem[]): Group[] {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  for (const item of items) {
    const { step, ...shared } = item.attrs;
    const key = JSON.stringify(shared);
    const elements = product(native().shape(item.tensors.param));
    let group = open.get(key);
    if (group === undefined || group.elements + elements > TOGETHER) {
      group = { shared, items: [], elements: 0 };
      groups.push(group);
      open.set(key, group);
    }
    group.items.push(item);
    group.elements += elements;
  }
  return groups;
}

function updateAlike({ shared, items }: Group, device: string): void {
  const { lr, beta1, beta2, eps, weightDecay, gradScale } = shared;
  withTemporaries((keep) => {
    const of = (name: 'param' | 'm' | 'v') => items.map(({ tensors }) => tensors[name]);
    // The operator asks for one layout of a parameter, its gradient and its moments.
    const given = items.map(({ tensors }) => keep(contiguous(tensors.grad, 'contiguous_format')));
    const grads = gradScale === 1 ? given : scaledAll(given, gradScale).map(keep);
    const counts = Float32Array.from(items, ({ attrs }) => attrs.step);
    const steps = unbind(keep(native().fromData(counts, 'float32', [counts.length], 'float32', device)), 0).map(keep);
    const options = [lr, beta1, beta2, weightDecay, eps, false, false] as const;
    fusedAdamW(of('param'), grads, of('m'), of('v'), [], steps, ...options);
  });
}

const squaredNorms: Kernel = ({ backend, inputs }) => {
  const tensors = Object.values(inputs).map((info) => backend.handle(info));
  const squares = withTemporaries((keep) => square(keep(stack(norms(tensors, 2).map(keep), 0))));
  return [backend.output(squares, [tensors.length], 'float32')];
};

/** @param device where the weights lie */
export function foreachKernels(device: string): KernelTable {
  return {
    AdamWUpdate: adamwKernel((items) => {
      for (const group of alike(items)) updateAlike(group, device);
    }),
    SquaredNorms: squaredNorms,
  };
}
