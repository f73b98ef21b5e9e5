/** The parts that the description of a model consists of. */

/** What the steps do, in words. `x` is the first input, `weight` and `bias` are weights, in [] stand shapes. */
export const GRAPH_OPS = {
  conv2d:
    'x [N, C, S, S] is cut into squares of `stride` pixels; each is multiplied with every filter of weight [D, C, stride, stride] and summed, plus bias [D]; gives [N, D, G, G]',
  reshape: 'the same values in row-major order under another shape; -1 is what remains',
  transpose: 'axes in the order `axes`',
  concat: 'inputs behind one another along `axis`',
  split: 'x cut into equal parts along `axis`, one for each name under `out`',
  slice: 'x from `begin` to the end of each axis',
  repeat: 'x as often as there are images (N) along its first axis',
  add: 'sum of two inputs, or of x and weight; a missing or single axis is repeated',
  multiply:
    'product of two inputs, entry by entry, of x and weight, whose missing axes are repeated, or of x and the number `by`',
  linear: 'x times the transpose of weight [out, in], plus bias [out] where there is one',
  layer_norm:
    'over the last axis: (x - mean) / sqrt(variance + eps) * weight + bias; the variance divides by the count',
  rms_norm: 'over the last axis: x / sqrt(mean of x^2 + eps) * weight',
  gelu: 'x * (1 + erf(x / sqrt(2))) / 2, not the approximation by tanh',
  silu: 'x / (1 + exp(-x))',
  split_heads: '[R, L, H * W] to [R, H, L, W] with W = `width`: neighbouring entries belong to one head',
  merge_heads: '[R, H, L, W] to [R, L, H * W]',
  rope: 'x [B, H, T, W] at positions [B, T]: entry j < W / 2 and entry j + W / 2 turn as a pair by the angle position * base^(-2 j / W), or position * frequencies[j] where these are given',
  attention:
    'q [R, H, L, W], k and v [R, K, L, W]: head h reads head floor(h * K / H) of k and v; softmax over keys of (q . k) / sqrt(W), times v. causal: a place sees itself and what stands before',
  gather: 'rows of weight by the whole numbers in x',
  place_images:
    'rows of both inputs, first all of the texts [B * T], then all of the images [N * P], taken by `sources` [B, T]',
} as const;

type GraphOp = keyof typeof GRAPH_OPS;

/** A size, or the letter of one that the caller chooses. */
export type GraphSize = number | 'B' | 'T' | 'N';

export interface GraphTensor {
  name: string;
  dtype: 'float32' | 'int32';
  shape: GraphSize[];
  says: string;
}

/** One operation. */
export interface GraphStep {
  op: GraphOp;
  in: string[];
  /** Names that later steps read; a name that comes again is overwritten. */
  out: string[];
  /** Of each output. */
  shape: GraphSize[];
  /** Names in the weights' manifest by role; `{i}` is the number of the repetition. */
  weights?: Record<string, string>;
  /** Settings of the operation. */
  with?: Record<string, number | boolean | number[]>;
}

/** Steps that are done `times` times, with i = 0, 1, ... */
export interface GraphBlock {
  times: number;
  title: string;
  steps: GraphStep[];
}

export interface ModelGraph {
  graph: 1;
  inputs: GraphTensor[];
  outputs: GraphTensor[];
  blocks: GraphBlock[];
  ops: typeof GRAPH_OPS;
}
