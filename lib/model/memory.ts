/**
 * How much memory parts of the model take while they compute, from sizes alone: what each operation keeps for the backward pass (the
 * `savedInputs` and `savedOutputs` of engine/ops, and block.ts and eva-vit.ts for the order), and what is alive beside it. docs/memory.md
 * writes the sums out.
 */
import { gridSide, headWidth, type ModelConfig } from './config.ts';

/** How an engine computes, as far as memory is concerned. */
export interface ComputeKind {
  /** Bytes of an element of an activation. */
  activationBytes: number;
  /**
   * `fused`: attention, norms and loss keep no scores (the torch engine's kernels for the CPU). `composite`: they are built of plain
   * operations, each with a result of its own. `narrow`: as the torch engine computes in bfloat16 on a GPU.
   */
  kernels: 'fused' | 'composite' | 'narrow';
  /** Frozen matrices lie in bfloat16 and are widened to float32, one at a time, where they are used. */
  widens: boolean;
}

/** A pass through the model. */
export interface PassShape {
  rows: number;
  /** Tokens of a row, visual ones and padding included. */
  tokens: number;
  images: number;
  /** Supervised tokens of all rows. */
  supervised: number;
  /** Rows are packed, or padded on the left, so that attention takes a mask of T x T. */
  masked: boolean;
}

/** What trains, as far as it decides what is kept. */
export interface Training {
  /** The language model's own matrices. */
  llm: boolean;
  projector: boolean;
}

/** Bytes of one block. */
export interface BlockMemory {
  /** Its input. */
  input: number;
  /** What is kept for the backward pass, the input included. */
  saved: number;
  /** Most that is alive in its forward pass, `saved` included. */
  forward: number;
  /** Most that is alive in its backward pass, `saved` and the gradient of its output included. */
  backward: number;
}

/** Bytes of a float32. */
export const FLOAT = 4;

/** Scores [H, T, T] that attention holds at once: engine/ops/attention.ts and torch/fused/whole-attention.ts. */
const SCORES = {
  fused: { forward: 0, backward: 0 },
  composite: { forward: 8, backward: 12 },
  narrow: { forward: 0, backward: 0 },
} as const;

/** Tensors as wide as the feed-forward layer that SwiGlu's gradient makes, results included: engine/ops/swiglu.ts and torch/fused/pointwise.ts. */
const GATED = { fused: 2, composite: 8, narrow: 3 } as const;

/** One block of LLaMA. */
export function llamaBlockMemory(
  { llm, lora }: Pick<ModelConfig, 'llm' | 'lora'>,
  { pass, kind, training }: { pass: PassShape; kind: ComputeKind; training: Training },
): BlockMemory {
  const { width: D, mlpHidden: F, heads } = llm;
  const kv = llm.kvHeads * headWidth(llm);
  const places = pass.rows * pass.tokens;
  const a = kind.activationBytes;
  const targets = lora?.targets ?? [];
  const adapted = (...names: string[]): boolean => training.llm || targets.some((target) => names.includes(target));
  const scores = pass.rows * heads * pass.tokens ** 2 * FLOAT;
  const widened = kind.widens ? F * D * FLOAT : 0;

  // Kept in any case: x and the sum behind attention (for the norms), q, k, v and o (attention), gate and up (SwiGlu).
  const always = D + (D + 2 * kv + D) + D + 2 * F;
  const normed = adapted('q_proj', 'k_proj', 'v_proj') ? D : 0;
  const secondNormed = adapted('gate_proj', 'up_proj') ? D : 0;
  const hidden = adapted('down_proj') ? F : 0;
  const lowRank = (lora?.rank ?? 0) * targets.length;
  const masks =
    (lora?.dropout ?? 0) > 0 ? targets.reduce((sum, target) => sum + (target === 'down_proj' ? F : D), 0) : 0;
  const statistics = 2 + heads;
  const saved = places * (a * (always + normed + secondNormed + hidden + lowRank) + FLOAT * statistics + masks);

  // Alive until the block ends: q and k before their rotation, what the last two products and the second norm give, the output.
  const beside = D + kv + D + (D - secondNormed) + (F - hidden) + (D - normed) + D + D;
  const atEnd = saved + places * a * beside;
  const atAttention = places * a * (5 * D + 3 * kv) + SCORES[kind.kernels].forward * scores;
  const forward = Math.max(atEnd + (kind.widens ? widened - places * a * D : 0), atAttention);

  const atGate = saved + places * a * (D + F + GATED[kind.kernels] * F);
  const atDown = saved + places * a * (D + F) + widened;
  const beforeAttention = saved - places * a * (D + 2 * F + secondNormed + hidden);
  const atScores = beforeAttention + places * a * (3 * D + 2 * kv) + SCORES[kind.kernels].backward * scores;
  return { input: places * a * D, saved, forward, backward: Math.max(atGate, atDown, atScores) };
}

/** The frozen vision tower over all images of a pass: nothing of it is kept, and a block frees what it made. */
export function visionMemory(
  { vision }: Pick<ModelConfig, 'vision'>,
  { images, kind }: { images: number; kind: ComputeKind },
): number {
  if (images === 0) return 0;
  const { width: D, mlpHidden: F, heads, layerScale } = vision;
  const tokens = 1 + gridSide(vision) ** 2;
  const scores = images * heads * tokens ** 2 * FLOAT * SCORES[kind.kernels].forward;
  // The patches, with the cls token and without, live as long as the tower computes; x is the input of the block.
  const around = 3 * D;
  const block = (layerScale === true ? 15 : 13) * D + 2 * F;
  const a = images * tokens * kind.activationBytes;
  const widened = kind.widens ? F * D * FLOAT : 0;
  return Math.max(a * (around + block) + widened, a * (around + 7 * D) + scores);
}

/** Of a pass, what lies between image and words on one side and the blocks of LLaMA on the other. */
export interface StemMemory {
  /** Kept until the end of the backward pass; 0 where nothing before the blocks trains. */
  saved: number;
  /** Words as they are while the vision tower computes. */
  words: number;
}

/** Words and image features, apart and joined; engine/ops and splice.ts. */
export function stemMemory(
  { llm, join, vision }: ModelConfig,
  { pass, kind, training }: { pass: PassShape; kind: ComputeKind; training: Training },
): StemMemory {
  const a = kind.activationBytes;
  const words = pass.rows * pass.tokens * llm.width * a;
  if (pass.images === 0) return { saved: 0, words };
  const visual = (pass.images * gridSide(vision) ** 2) / join;
  const projected = visual * llm.width * a;
  const joined = training.projector ? visual * join * vision.width * a : 0;
  const reached = training.projector || training.llm;
  return { saved: reached ? joined + 2 * (words + projected) : 0, words };
}

/** Bytes of the tensors of a batch on the device: ids, pixels, tables of the rotation, mask. */
export function batchMemory({ llm, vision }: ModelConfig, pass: PassShape): { batch: number; upload: number } {
  const places = pass.rows * pass.tokens;
  const pixels = pass.images * 3 * vision.imageSize ** 2 * FLOAT;
  const tableRows = pass.masked ? pass.rows : 1;
  const tables = tableRows * pass.tokens * headWidth(llm) * FLOAT;
  const mask = pass.masked ? pass.rows * pass.tokens ** 2 * FLOAT : 0;
  // Images are brought from bytes to floats in five steps, each with a tensor of its own (vision/normalise.ts).
  return { batch: 2 * places * FLOAT + pixels + tables + mask, upload: 4 * pixels };
}

/** Tensors [N, V] that the loss holds at once, the logits included: in its forward pass, and in its gradient. */
const LOGITS = {
  fused: { forward: 1, backward: 2 },
  composite: { forward: 3, backward: 7 },
  narrow: { forward: 4, backward: 8 },
} as const;

/** Bytes of the logits and of what is made of them. */
export function lossMemory(
  { llm }: Pick<ModelConfig, 'llm'>,
  { pass, kind, training }: { pass: PassShape; kind: ComputeKind; training: Training },
): { loss: number; head: number } {
  const logits = pass.supervised * llm.vocabulary * FLOAT;
  const matrix = llm.vocabulary * llm.width * FLOAT;
  const rows = pass.supervised * llm.width * kind.activationBytes;
  const { forward, backward } = LOGITS[kind.kernels];
  // The product with the vocabulary: forward beside a widened matrix, backward beside the gradient of the matrix.
  const head = logits + rows + (kind.widens ? matrix : 0) + (training.llm ? matrix : 0);
  return { loss: Math.max(forward, backward) * logits, head };
}
