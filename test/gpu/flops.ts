/** Floating-point operations that a LoRA step must do: the numerator of the share of the peak that it reaches. */
import { gridSide, type ModelConfig, tokensPerImage } from '../../lib/model/config.ts';
import { LLAMA_PREFIX, llamaShapes, loraShapes } from '../../lib/model/shapes.ts';

const size = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

/** Multiplications of one token with the matrices of all blocks whose name matches. */
function blockProducts(shapes: ReadonlyMap<string, readonly number[]>): number {
  let total = 0;
  for (const [name, shape] of shapes) {
    if (name.startsWith(`${LLAMA_PREFIX}model.layers.`) && shape.length === 2) total += size(shape);
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

/**
 * Operations of one sample: one image, `tokens` tokens, logits at `logits` of them. A multiplication with its addition counts as two. A frozen matrix costs
 * two passes (forward, gradient of its input), one that trains three; the vision transformer only the forward; attention is not
 * reduced for causality; what is computed a second time under recompute does not count (Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
 */
export function stepFlops(config: ModelConfig, sequence: { tokens: number; logits: number }): number {
  const { llm, lora, join, vision } = config;
  const { tokens, logits } = sequence;
  const frozen = 2 * 2 * blockProducts(llamaShapes(llm)) * tokens;
  const adapters = lora === undefined ? 0 : 3 * 2 * blockProducts(loraShapes(llm, lora)) * tokens;
  const attention = 3 * 4 * tokens * tokens * llm.width * llm.layers;
  const head = 2 * 2 * llm.width * llm.vocabulary * logits;
  // The projector trains, but nothing before it does: forward and the gradient of its weight.
  const projector = 2 * 2 * tokensPerImage(config) * join * vision.width * llm.width;
  return visionFlops(config) + projector + frozen + adapters + attention + head;
}
