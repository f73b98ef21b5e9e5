/** One AdamW update of one parameter (arXiv 1711.05101, algorithm 2, in the order of torch.optim.AdamW). */
import { type Tensor, tf, type Variable } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';

/** What one update depends on beside its tensors. */
export type AdamWAttrs = {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** 1 for the first update of this parameter. */
  step: number;
};

defineFusedOp({
  kernelName: 'AdamWUpdate',
  composite: ({ param, grad, m, v }, attrs) => {
    const { lr, beta1, beta2, eps, weightDecay, step } = attrs as AdamWAttrs;
    const decayed = weightDecay === 0 ? param! : tf.mul(param!, 1 - lr * weightDecay);
    const first = tf.add(tf.mul(m!, beta1), tf.mul(grad!, 1 - beta1));
    const second = tf.add(tf.mul(v!, beta2), tf.mul(tf.square(grad!), 1 - beta2));
    const denominator = tf.add(tf.div(tf.sqrt(second), Math.sqrt(1 - beta2 ** step)), eps);
    const update = tf.mul(tf.div(first, denominator), lr / (1 - beta1 ** step));
    return [tf.sub(decayed, update), first, second];
  },
});

export interface AdamWUpdateArgs extends AdamWAttrs {
  param: Variable;
  /** Same shape as `param`. */
  grad: Tensor;
  /** First moment. */
  m: Variable;
  /** Second moment. */
  v: Variable;
}

/** Updates `param`, `m` and `v`; a backend may do so in place. */
export function adamwUpdate({ param, grad, m, v, ...attrs }: AdamWUpdateArgs): void {
  const [newParam, newM, newV] = runFused('AdamWUpdate', { param, grad, m, v }, attrs);
  param.assign(newParam!);
  m.assign(newM!);
  v.assign(newV!);
  newParam!.dispose();
  newM!.dispose();
  newV!.dispose();
}
