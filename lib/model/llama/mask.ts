/** Which key a query may see, beyond causality: padding and blocks, as an additive mask. */
import { MASKED } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/**
 * Packed rows: a token sees tokens of its group only, and there the shared prefix (branch 0) and its own branch. Groups of a row and
 * parts of a group are contiguous, and the prefix stands first in its group.
 */
export interface Blocks {
  /** int32[B * T] */
  groups: Int32Array;
  /** int32[B * T]; 0 is the prefix that all branches of the group see */
  branches: Int32Array;
}

/**
 * Whether padding stands only behind the text. Then causal attention alone is right: no token looks ahead, and what the padding
 * itself computes is never read.
 * @param mask u8[B * T]
 */
export function isRightPadded(mask: Uint8Array, width: number): boolean {
  for (let i = 1; i < mask.length; i++) {
    if (i % width !== 0 && mask[i] !== 0 && mask[i - 1] === 0) return false;
  }
  return true;
}

/**
 * @param request mask u8[B * T] and its shape; blocks of packed rows
 * @returns f32[B, 1, T, T] of 0 and MASKED for `attention` with `causal`, or undefined where causality alone suffices
 */
export function attentionBias(request: {
  mask: Uint8Array;
  shape: readonly [number, number];
  blocks?: Blocks | undefined;
}): Tensor | undefined {
  const { mask, blocks } = request;
  const [B, T] = request.shape;
  if (blocks === undefined && isRightPadded(mask, T)) return undefined;
  const values = new Float32Array(B * T * T).fill(MASKED);
  for (let b = 0; b < B; b++) {
    const keys = Float32Array.from(mask.subarray(b * T, (b + 1) * T), (visible) => (visible === 0 ? MASKED : 0));
    const show = (query: number, from: number, to: number): void => {
      values.set(keys.subarray(from, to), (b * T + query) * T + from);
    };
    if (blocks === undefined) for (let query = 0; query < T; query++) show(query, 0, T);
    else showBlocks(blocks, { from: b * T, length: T }, show);
  }
  return tf.tensor4d(values, [B, 1, T, T]);
}

/** The spans of keys that each query of a packed row sees: its group's prefix, and its own branch up to itself. */
function showBlocks(
  { groups, branches }: Blocks,
  row: { from: number; length: number },
  show: (query: number, from: number, to: number) => void,
): void {
  let prefixStart = 0;
  let prefixEnd = 0;
  let branchStart = 0;
  for (let query = 0; query < row.length; query++) {
    const at = row.from + query;
    const newGroup = query === 0 || groups[at] !== groups[at - 1];
    if (newGroup || branches[at] !== branches[at - 1]) branchStart = query;
    if (newGroup) {
      prefixStart = query;
      prefixEnd = query;
    }
    if (branches[at] === 0) prefixEnd = query + 1;
    else show(query, prefixStart, prefixEnd);
    show(query, branchStart, query + 1);
  }
}

/**
 * The mask of one new token in cached generation.
 * @param mask u8[B * S], 0 for keys that are padding
 * @returns f32[B, 1, 1, S], or undefined when nothing is hidden
 */
export function cachedBias(mask: Uint8Array, shape: readonly [number, number]): Tensor | undefined {
  if (mask.every((visible) => visible !== 0)) return undefined;
  const [B, S] = shape;
  return tf.tensor4d(
    Float32Array.from(mask, (visible) => (visible === 0 ? MASKED : 0)),
    [B, 1, 1, S],
  );
}
