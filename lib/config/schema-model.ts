/** The part of the schema that says what the model is. */

import { z } from 'zod';

/** Positive integer with a bound that keeps a slip of the keyboard from asking for terabytes. */
export const count = (max: number) => z.int().min(1).max(max);

/** A file or folder: relative to the current directory, `${NAME}` and `${NAME:-default}` are environment variables. */
export const path = (description: string) => z.string().min(1).meta({ description, path: true });

const epsilon = z.number().positive().max(0.1);

const vision = z
  .strictObject({
    imageSize: count(4096).describe('Side of the square image that the tower sees, in pixels; a multiple of patch.'),
    patch: count(64).describe('Side of one patch in pixels.'),
    width: count(16384).describe('Channels of every token; a multiple of heads.'),
    depth: count(256).describe('Number of transformer blocks.'),
    heads: count(256).describe('Attention heads of each block.'),
    mlpHidden: count(65536).describe('Hidden channels of each block’s feed-forward part.'),
    eps: epsilon.default(1e-6).describe('Epsilon of the layer norms inside the blocks. Default: EVA’s.'),
    lnEps: epsilon.default(1e-5).describe('Epsilon of the norm after the last block. Default: the reference’s.'),
    qkvBias: z
      .boolean()
      .optional()
      .describe('One bias for queries, keys and values, as DINOv2 has it. Default: EVA’s, which keys have none of.'),
    layerScale: z
      .boolean()
      .optional()
      .describe('Each half of a block is scaled channel by channel, as in DINOv2. Default: not, as in EVA.'),
    finalNorm: z
      .boolean()
      .optional()
      .describe('The file of the tower holds the norm after the last block. Default: not, as EVA’s does not.'),
    pixels: z
      .enum(['clip', 'imagenet'])
      .optional()
      .describe('Mean and deviation of colours that the tower was trained with. Default: clip, as EVA was.'),
  })
  .describe('The vision tower: a ViT of the EVA or, with all options, of the DINOv2 family.');

const scale = (description: string) => z.number().min(1).max(1e6).describe(description);

const ropeScaling = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('linear').describe('Every frequency by the same factor.'),
      factor: scale('Every frequency is divided by this.'),
    }),
    z.strictObject({
      type: z.literal('llama3').describe('Slow frequencies by a factor, fast ones not, as LLaMA 3.1 does.'),
      factor: scale('The slow frequencies are divided by this.'),
      lowFrequencyFactor: scale('Waves longer than originalPositions divided by this are slow.'),
      highFrequencyFactor: scale('Waves shorter than originalPositions divided by this stay as they are.'),
      originalPositions: count(1_000_000).describe('Positions of the first training.'),
    }),
  ])
  .describe(
    'How the rotary frequencies were scaled for longer texts, as the config.json of the weights says; absent: not.',
  );

const llm = z
  .strictObject({
    vocabulary: count(1_000_000).describe(
      'Rows of the embedding and of the head; the real LLaMA tokenizer needs 32000. With model.vocabulary: pruned the run puts the number of kept pieces here.',
    ),
    width: count(32768).describe('Channels of every token; a multiple of heads.'),
    layers: count(256).describe('Number of decoder layers.'),
    heads: count(512).describe('Query heads of each layer.'),
    kvHeads: count(512)
      .optional()
      .describe('Key and value heads of each layer; divides heads. Default: as many as heads.'),
    mlpHidden: count(131072).describe('Hidden channels of the SwiGLU part.'),
    ropeBase: z.number().min(1).max(1e9).default(10000).describe('Base of the rotary position frequencies.'),
    ropeScaling: ropeScaling.optional(),
    rmsEps: epsilon.default(1e-5).describe('Epsilon of the RMS norms.'),
    tieEmbeddings: z.boolean().default(false).describe('Whether the head is the transposed embedding.'),
  })
  .describe('The language model: a LLaMA.');

const lora = z
  .strictObject({
    rank: count(1024).describe('Rank of the low-rank update of each target.'),
    alpha: z.number().positive().max(65536).describe('The update is scaled by alpha / rank.'),
    dropout: z
      .number()
      .min(0)
      .max(0.99)
      .default(0)
      .describe('Share of the adapter’s inputs that is zeroed in training.'),
    targets: z
      .array(z.enum(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']))
      .min(1)
      .default(['q_proj', 'v_proj'])
      .describe('Which matrices of every layer get an adapter.'),
  })
  .describe('Low-rank adapters on the language model; absent: none.');

const weights = z
  .strictObject({
    vision: path('EVA weights of the vision tower (.pth or .safetensors).').optional(),
    llm: path('LLaMA weights: a Hugging Face folder, or one .safetensors or .bin file.').optional(),
    projector: path(
      'A checkpoint that holds `llama_proj` (and adapters), such as a released MiniGPT-v2 .pth.',
    ).optional(),
  })
  .describe('Pretrained weights to start from; a part without weights starts from random numbers.');

/** Schema of `model`; dims come from the preset, from the file, or from both. */
export const modelSchema = (presets: readonly string[]) =>
  z
    .strictObject({
      preset: z.enum(presets).optional().describe('Named dims; what `vision` and `llm` state wins over them.'),
      vision,
      join: count(64)
        .default(4)
        .describe('Neighbouring visual tokens that are joined into one token of the language model.'),
      llm,
      tokenizer: path(
        'The tokenizer of the language model: its folder, a tokenizer.json, a tokenizer.model or a GGUF file. Default: that of LLaMA and LLaMA 2, which is built in.',
      ).optional(),
      vocabulary: z
        .enum(['whole', 'pruned'])
        .default('whole')
        .describe(
          'pruned: the language model knows only the pieces of the LLaMA tokenizer that its sources can use, and the 256 bytes for everything else; for small models that start from random numbers. A run that starts from another takes over its pieces.',
        ),
      lora: lora.optional(),
      weights: weights.prefault({}),
    })
    .describe('What is trained: the vision tower, the projector and the language model.');
