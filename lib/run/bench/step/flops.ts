/** Floating-point operations that a training step must do: the numerator of the share of the machine's peak that it reaches. */
import { gridSide, type ModelConfig, tokensPerImage } from '../../../model/config.ts';
import { LLAMA_PREFIX, llamaShapes, loraShapes, type ShapeTable } from '../../../model/shapes.ts';

/** What passes through the model in one step. */
export interface StepWork {
  /** Images through the vision transformer; 0 where its features are stored. */
  images: number;
  /** Images through the projector. */
  projected: number;
  /** Places of all rows, padding included where it is computed. */
  tokens: number;
  /** Pairs of a query and a key that it sees, over all rows. */
  pairs: number;
  /** Places with logits. */
  logits: number;
}

/** Multiplications of one token with the matrices of all blocks. */
function blockProducts(shapes: ShapeTable): number {
  let total = 0;
  for (const [name, shape] of shapes) {
    if (name.startsWith(`${LLAMA_PREFIX}model.layers.`) && shape.length === 2) total += shape[0]! * shape[1]!;
  }
  return total;
}

/** Forward of the frozen vision transformer over one image. */
function visionFlops({ vision }: ModelConfig): number {
  const { width, depth, mlpHidden, patch } = vision;
  const patches = gridSide(vision) ** 2;
  const tokens = patches + 1;
  const block = 2 * tokens * (4 * width * width + 2 * width * mlpHidden) + 4 * tokens * tokens * width;
  return depth * block + 2 * patches * width * 3 * patch * patch;
}

/** Scores, weighted values and their four gradients, over the pairs that are seen. */
export function attentionFlops({ llm }: ModelConfig, pairs: number): number {
  return 3 * 4 * pairs * llm.width * llm.layers;
}

/**
 * Operations of one step with frozen towers, trained adapters and projector. A multiplication with its addition counts as two. A
 * frozen matrix costs two passes (forward, gradient of its input), one that trains three; the vision transformer only the forward;
 * attention counts the pairs that causality leaves; nothing that is computed twice counts twice (after Chowdhery et al. 2022,
 * arXiv 2204.02311, appendix B).
 */
export function stepFlops(model: ModelConfig, work: StepWork): number {
  const { llm, lora, join, vision } = model;
  const frozen = 2 * 2 * blockProducts(llamaShapes(llm)) * work.tokens;
  const adapters = lora === undefined ? 0 : 3 * 2 * blockProducts(loraShapes(llm, lora)) * work.tokens;
  const head = 2 * 2 * llm.width * llm.vocabulary * work.logits;
  // The projector trains, but nothing before it does: forward and the gradient of its weight.
  const projector = 2 * 2 * tokensPerImage(model) * join * vision.width * llm.width * work.projected;
  return visionFlops(model) * work.images + projector + frozen + adapters + attentionFlops(model, work.pairs) + head;
}
