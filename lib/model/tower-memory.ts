/**
 * How much memory a vision tower takes while it trains, from sizes alone: what each operation of vision/eva-vit.ts keeps for the backward
 * pass (the `savedInputs` and `savedOutputs` of engine/ops), and what is alive beside it. docs/memory.md writes the sums out.
 */
import { gridSide, type VisionConfig } from './config.ts';
import { FLOAT } from './memory.ts';

/**
 * How an engine computes a tower in float32. `fused`: torch on the CPU. `scores`: torch on a GPU, where attention is built of plain
 * operations. `plain`: TensorFlow, where norms and GELU are so too, and a transposed tensor is a copy.
 */
export type TowerKernels = 'fused' | 'scores' | 'plain';

/** Bytes of a pass through a tower that trains. */
export interface TowerMemory {
  /** Normalised pixels, which stay until the end of the backward pass. */
  pixels: number;
  /** Kept for the backward pass by one block. */
  block: number;
  /** The same of all blocks, and of what lies before and behind them. */
  saved: number;
  /** Most that is alive in the forward pass of the last block, `saved` of the blocks included. */
  forward: number;
  /** Most that is alive in the backward pass of a block beside what the blocks keep. */
  backward: number;
  /** What the gradient of the patch embedding has, when no block keeps anything any more. */
  stem: number;
  /** One tensor as wide as the tower, of all tokens. */
  wide: number;
}

/**
 * What is alive beside the kept tensors, counted in tensors of the tower's width (`wide`), of its feed-forward width (`hidden`) and in
 * scores [H, T, T]. A block's results live until it ends.
 */
const ALIVE = {
  fused: {
    kept: 8,
    // q, k and v in one, what attention's and the last product give, the output.
    end: { wide: 6, hidden: 0 },
    gelu: { wide: 4, hidden: 0 },
    attended: { wide: 3, scores: 0 },
    geluBack: { wide: 1, hidden: 1 },
    attendedBack: { wide: 5, scores: 0 },
  },
  scores: {
    kept: 9,
    end: { wide: 6, hidden: 0 },
    gelu: { wide: 4, hidden: 0 },
    attended: { wide: 3, scores: 8 },
    geluBack: { wide: 1, hidden: 1 },
    attendedBack: { wide: 6, scores: 12 },
  },
  plain: {
    kept: 9,
    end: { wide: 9, hidden: 0 },
    gelu: { wide: 7, hidden: 4 },
    attended: { wide: 6, scores: 8 },
    geluBack: { wide: 1, hidden: 11 },
    attendedBack: { wide: 6, scores: 12 },
  },
} as const;

/**
 * A tower over so many images, every weight of which trains.
 * @param request `images` of one pass
 */
export function towerMemory(
  vision: VisionConfig,
  { images, kernels }: { images: number; kernels: TowerKernels },
): TowerMemory {
  const { width: D, mlpHidden: F, heads, depth, layerScale } = vision;
  const T = 1 + gridSide(vision) ** 2;
  const n = images * T * FLOAT;
  const [wide, hidden] = [n * D, n * F];
  const scores = images * heads * T ** 2 * FLOAT;
  const alive = ALIVE[kernels];
  // What layer scale multiplies is kept, once for each half of a block.
  const kept = alive.kept + (layerScale === true ? 2 : 0);
  // Both norms keep a mean and a deviation for each token, attention a logarithm for each head.
  const block = kept * wide + 2 * hidden + n * (4 + heads);
  // The patches; x and its statistics for the last norm; the features as rows for both heads.
  const saved = depth * block + 3 * wide + 2 * n;
  const pixels = images * 3 * vision.imageSize ** 2 * FLOAT;
  // The patches are kept; with the cls token they live until the tower has computed.
  const around = 2 * wide;
  const upToAttention = 2 * wide + 3 * wide;
  const forward =
    around +
    (depth - 1) * block +
    Math.max(
      block + alive.end.wide * wide,
      block + alive.gelu.wide * wide + alive.gelu.hidden * hidden,
      upToAttention + alive.attended.wide * wide + alive.attended.scores * scores,
    );
  const backward = Math.max(
    alive.geluBack.wide * wide + alive.geluBack.hidden * hidden,
    // The feed-forward half is done by then, with its norm and what it was added to.
    alive.attendedBack.wide * wide + alive.attendedBack.scores * scores - 2 * hidden - 2 * wide,
  );
  return { pixels, block, saved, forward, backward, stem: pixels + 3 * wide, wide };
}
