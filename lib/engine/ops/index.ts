/** The fused ops. Importing this file declares them all; `registerFusedKernels` puts them on a backend. */
export { type AdamWUpdateArgs, adamwUpdates } from './adamw-update.ts';
export { type AttentionArgs, attention, MASKED } from './attention.ts';
export { type DropoutMaskArgs, dropoutMask } from './dropout-mask.ts';
export { registerFusedKernels } from './fused-op.ts';
export { gelu } from './gelu.ts';
export { joinHeads, splitHeads } from './heads.ts';
export { type LayerNormArgs, layerNorm } from './layer-norm.ts';
export { linear } from './linear.ts';
export { type LoraLinearArgs, loraLinear } from './lora-linear.ts';
export { maskedCrossEntropy } from './masked-cross-entropy.ts';
export { type PatchEmbedArgs, patchEmbed } from './patch-embed.ts';
export { rmsNorm } from './rms-norm.ts';
export { rope } from './rope.ts';
export { scale } from './scale.ts';
export { squaredNorms } from './squared-norms.ts';
export { swiGlu } from './swiglu.ts';
