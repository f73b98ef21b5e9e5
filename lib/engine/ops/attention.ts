/**
 * Scaled dot-product attention with grouped-query heads, causal and additive masks. Only the logsumexp of each row is
 * saved, the probabilities are computed again in the backward pass (FlashAttention, arXiv 2205.14135, section 3.1).
 */
import { type Tensor, tf } from '../tf.ts';
import { type Attrs, defineFusedOp, runFused, type TensorMap } from './fused-op.ts';

/** Additive mask value of a key that must not be seen; finite, so that no inf - inf can arise. */
export const MASKED = -1e30;
/** A row whose logsumexp lies below this sees no key at all. */
export const NOTHING_VISIBLE = -1e29;

/** f32[T, S]: 0 where query t may see key s, MASKED above the diagonal that ends at the last key. */
function causalBias(queries: number, keys: number): Tensor {
  const query = tf.reshape(tf.range(keys - queries, keys, 1, 'int32'), [queries, 1]);
  const key = tf.reshape(tf.range(0, keys, 1, 'int32'), [1, keys]);
  return tf.mul(tf.cast(tf.greater(key, query), 'float32'), MASKED);
}

interface Grouped {
  /** f32[B, K, G, T, D] */
  q: Tensor;
  /** f32[B, K, 1, S, D] */
  k: Tensor;
  v: Tensor;
  shape: { batch: number; kvHeads: number; groups: number; queries: number; keys: number; width: number };
}

/** Splits the query heads into the groups that share one key-value head. */
function group({ q, k, v }: TensorMap): Grouped {
  const [batch, heads, queries, width] = q!.shape as [number, number, number, number];
  const [, kvHeads, keys] = k!.shape as [number, number, number];
  const groups = heads / kvHeads;
  return {
    q: tf.reshape(q!, [batch, kvHeads, groups * queries, width]),
    k: k!,
    v: v!,
    shape: { batch, kvHeads, groups, queries, keys, width },
  };
}

/** Masked, scaled scores f32[B, K, G, T, S]. */
function scores({ q, k, shape }: Grouped, bias: Tensor | undefined, attrs: Attrs): Tensor {
  const { batch, kvHeads, groups, queries, keys } = shape;
  const product = tf.mul(tf.matMul(q, k, false, true), attrs['scale'] as number);
  let result = tf.reshape(product, [batch, kvHeads, groups, queries, keys]);
  if (bias) result = tf.add(result, tf.reshape(bias, [bias.shape[0]!, 1, 1, queries, keys]));
  if (attrs['causal']) result = tf.add(result, causalBias(queries, keys));
  return result;
}

defineFusedOp({
  kernelName: 'Attention',
  optionalInput: 'bias',
  composite: (inputs, attrs) => {
    const grouped = group(inputs);
    const { batch, kvHeads, groups, queries, keys, width } = grouped.shape;
    const s = scores(grouped, inputs['bias'], attrs);
    const top = tf.max(s, -1, true);
    const visible = tf.cast(tf.greater(top, NOTHING_VISIBLE), 'float32');
    const exponent = tf.exp(tf.sub(s, top));
    const total = tf.sum(exponent, -1, true);
    const p = tf.mul(tf.div(exponent, total), visible);
    const o = tf.matMul(tf.reshape(p, [batch, kvHeads, groups * queries, keys]), grouped.v);
    const lse = tf.add(top, tf.log(total));
    return [
      tf.reshape(o, [batch, kvHeads * groups, queries, width]),
      tf.reshape(lse, [batch, kvHeads * groups, queries]),
    ];
  },
  gradient: {
    savedInputs: { q: ['q', 'k', 'v'], k: ['q', 'k', 'v'], v: ['q', 'k', 'v'], bias: ['q', 'k', 'v'] },
    savedOutputs: { 0: ['q', 'k', 'v'], 1: ['q', 'k', 'v'] },
    thunks: (dy, { q, k, v, bias, out0, out1 }, attrs) => {
      let grads: Tensor[] | undefined;
      const grad = (i: number) => {
        grads ??= runFused('AttentionGrad', { dy, q, k, v, o: out0, lse: out1, bias }, attrs);
        return grads[i]!;
      };
      return { q: () => grad(0), k: () => grad(1), v: () => grad(2) };
    },
  },
});

defineFusedOp({
  kernelName: 'AttentionGrad',
  optionalInput: 'bias',
  composite: (inputs, attrs) => {
    const grouped = group(inputs);
    const { batch, kvHeads, groups, queries, keys, width } = grouped.shape;
    const rows = [batch, kvHeads, groups * queries];
    const lse = tf.reshape(inputs['lse']!, [batch, kvHeads, groups, queries, 1]);
    const visible = tf.cast(tf.greater(lse, NOTHING_VISIBLE), 'float32');
    const exponent = tf.exp(tf.minimum(tf.sub(scores(grouped, inputs['bias'], attrs), lse), 0));
    const p = tf.reshape(tf.mul(exponent, visible), [...rows, keys]);
    const dy = tf.reshape(inputs['dy']!, [...rows, width]);
    const o = tf.reshape(inputs['o']!, [...rows, width]);
    const dot = tf.sum(tf.mul(dy, o), -1, true);
    const ds = tf.mul(tf.mul(p, tf.sub(tf.matMul(dy, grouped.v, false, true), dot)), attrs['scale'] as number);
    return [
      tf.reshape(tf.matMul(ds, grouped.k), inputs['q']!.shape),
      tf.matMul(ds, grouped.q, true, false),
      tf.matMul(p, dy, true, false),
    ];
  },
});

export interface AttentionArgs {
  /** f32[B, H, T, D] */
  q: Tensor;
  /** f32[B, K, S, D]; head h of q uses key-value head floor(h K / H) */
  k: Tensor;
  /** f32[B, K, S, D] */
  v: Tensor;
  scale: number;
  /** Query t sees keys up to t + S - T (the last query sees every key). */
  causal: boolean;
  /** Additive mask f32[B | 1, 1, T, S] of 0 and MASKED: padding and blocks. No gradient. */
  bias?: Tensor | undefined;
}

/**
 * @returns f32[B, H, T, D]; a row that sees no key is 0
 */
export function attention({ q, k, v, scale, causal, bias }: AttentionArgs): Tensor {
  const [o, lse] = runFused('Attention', { q, k, v, bias }, { scale, causal });
  lse!.dispose();
  return o!;
}
