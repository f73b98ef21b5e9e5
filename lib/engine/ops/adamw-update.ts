/** AdamW updates of many parameters at once (arXiv 1711.05101, algorithm 2, in the order of torch.optim.AdamW). */
import { type Tensor, tf, type Variable } from '../tf.ts';
import { defineFusedOp, isNative, runFused } from './fused-op.ts';

/** What one update depends on beside its tensors. */
export type AdamWAttrs = {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** 1 for the first update of this parameter. */
  step: number;
  /** The gradient counts so many times: less than 1 where it is clipped. */
  gradScale: number;
};

/** Names of the tensors of parameter `i` among a kernel's inputs. */
export const adamwInput = (name: 'param' | 'grad' | 'm' | 'v', i: number): string => `${name}${i}`;

function updated(of: Readonly<Record<'param' | 'grad' | 'm' | 'v', Tensor>>, attrs: AdamWAttrs): Tensor[] {
  const { lr, beta1, beta2, eps, weightDecay, step, gradScale } = attrs;
  const grad = gradScale === 1 ? of.grad : tf.mul(of.grad, gradScale);
  const decayed = weightDecay === 0 ? of.param : tf.mul(of.param, 1 - lr * weightDecay);
  const first = tf.add(tf.mul(of.m, beta1), tf.mul(grad, 1 - beta1));
  const second = tf.add(tf.mul(of.v, beta2), tf.mul(tf.square(grad), 1 - beta2));
  const denominator = tf.add(tf.div(tf.sqrt(second), Math.sqrt(1 - beta2 ** step)), eps);
  const update = tf.mul(tf.div(first, denominator), lr / (1 - beta1 ** step));
  return [tf.sub(decayed, update), first, second];
}

/** Inputs `param0`, `grad0`, `m0`, `v0`, `param1` and so on; outputs parameter and moments of each in turn. */
defineFusedOp({
  kernelName: 'AdamWUpdate',
  composite: (inputs, { updates }) =>
    (updates as AdamWAttrs[]).flatMap((attrs, i) => {
      const of = (name: 'param' | 'grad' | 'm' | 'v') => inputs[adamwInput(name, i)]!;
      return updated({ param: of('param'), grad: of('grad'), m: of('m'), v: of('v') }, attrs);
    }),
});

export interface AdamWUpdateArgs extends Omit<AdamWAttrs, 'gradScale'> {
  param: Variable;
  /** Same shape as `param`. */
  grad: Tensor;
  /** First moment. */
  m: Variable;
  /** Second moment. */
  v: Variable;
  /** Default 1. */
  gradScale?: number;
}

/**
 * Updates each `param`, `m` and `v`; a backend may do so in place.
 * @param together whether one call of the kernel updates all; the composite would hold new tensors for all of them
 */
export function adamwUpdates(all: readonly AdamWUpdateArgs[], together: boolean = isNative('AdamWUpdate')): void {
  if (together && all.length > 0) updateGroup(all);
  if (!together) for (const one of all) updateGroup([one]);
}

function updateGroup(group: readonly AdamWUpdateArgs[]): void {
  const inputs: Record<string, Tensor> = {};
  const updates = group.map(({ param, grad, m, v, ...attrs }, i): AdamWAttrs => {
    for (const [name, tensor] of Object.entries({ param, grad, m, v })) {
      inputs[adamwInput(name as 'param', i)] = tensor;
    }
    return { gradScale: 1, ...attrs };
  });
  const results = runFused('AdamWUpdate', inputs, { updates });
  group.forEach(({ param, m, v }, i) => {
    [param, m, v].forEach((variable, j) => {
      const result = results[3 * i + j]!;
      variable.assign(result);
      result.dispose();
    });
  });
}
