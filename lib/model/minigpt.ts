/**
 * MiniGPT-v2 (Chen et al. 2023, arXiv 2310.09478, section 2): a frozen EVA ViT looks at the image, four neighbouring visual tokens
 * are joined and mapped linearly into the space of LLaMA's words, and LLaMA with adapters continues the text.
 */
import { maskedCrossEntropy } from '../engine/ops/index.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import type { DeviceBatch } from './batch.ts';
import { checkModelConfig, type ModelConfig } from './config.ts';
import type { BlockContext } from './llama/block.ts';
import { embedTokens, llamaHidden, llamaLogits } from './llama/model.ts';
import type { LoraDropout } from './lora.ts';
import { type ModelParams, modelParams } from './params.ts';
import { joinNeighbours, project } from './projector.ts';
import { modelShapes } from './shapes.ts';
import { splice } from './splice.ts';
import {
  createParams,
  disposeParams,
  loadParams,
  type ParamStore,
  type WeightReader,
  type WeightSource,
  type WeightStorage,
} from './store.ts';
import type { Trace } from './trace.ts';
import { evaVit, visualTokens } from './vision/eva-vit.ts';

/** A model on the engine. */
export interface MiniGpt {
  config: ModelConfig;
  /** Owns the weights. */
  store: ParamStore;
  params: ModelParams;
}

/** The part of a model that looks at images. */
export interface Tower {
  config: Pick<ModelConfig, 'vision'>;
  params: Pick<ModelParams, 'vision'>;
}

/** Choices of one forward. */
export interface ForwardOptions {
  /** Adapter dropout; absent: none. */
  dropout?: LoraDropout | undefined;
  /** Keep only the input of each LLaMA block for the backward pass. */
  recompute?: boolean | undefined;
  /** `false`: compute logits at every position, as the reference does; the loss is the same. Default: only where there is a loss. */
  supervisedOnly?: boolean | undefined;
  /** Leave the adapters out: the language model as it was before tuning. */
  withoutAdapters?: boolean | undefined;
  trace?: Trace | undefined;
}

/**
 * Creates a model: weights from the source where it has them, else at random.
 * @throws TristageError `E_MODEL_CONFIG`, `E_WEIGHT_SHAPE`
 */
export function createMiniGpt(request: {
  config: ModelConfig;
  source?: WeightSource;
  trainable: (name: string) => boolean;
  seed: number;
  storage?: WeightStorage | undefined;
}): MiniGpt {
  const { config, source = () => undefined, ...rest } = request;
  checkModelConfig(config);
  const store = createParams({ shapes: modelShapes(config), source, ...rest });
  return { config, store, params: modelParams(store, config) };
}

/**
 * As {@link createMiniGpt}, with weights that are read one after the other.
 * @throws TristageError `E_MODEL_CONFIG`, `E_WEIGHT_SHAPE`, and what the source throws
 */
export async function loadMiniGpt(request: {
  config: ModelConfig;
  source: WeightReader;
  trainable: (name: string) => boolean;
  seed: number;
  storage?: WeightStorage | undefined;
}): Promise<MiniGpt> {
  const { config, ...rest } = request;
  checkModelConfig(config);
  const store = await loadParams({ shapes: modelShapes(config), ...rest });
  return { config, store, params: modelParams(store, config) };
}

/** Frees the weights of a model. */
export function disposeMiniGpt(model: MiniGpt): void {
  disposeParams(model.store);
}

/**
 * The image side: pixels to visual tokens in the language model's space.
 * @param pixels f32[N, 3, S, S], normalised
 * @returns f32[N, P / join, Dl]
 */
export function encodeImages(model: MiniGpt, pixels: Tensor, trace?: Trace): Tensor {
  return tf.tidy(() => projectImages(model, seeImages(model, pixels, trace), trace));
}

/**
 * What the vision tower makes of images. Where it is frozen this is the same for ever, so that it can be kept (docs/training.md).
 * @param pixels f32[N, 3, S, S], normalised
 * @returns f32[N, P, Dv]
 */
export function seeImages({ config, params }: Tower, pixels: Tensor, trace?: Trace): Tensor {
  const { vision } = config;
  return tf.tidy(() => {
    // 1. The vision transformer sees the whole image; it is frozen, so nothing of it is kept for a backward pass.
    const seen = evaVit({ pixels, params: params.vision, config: vision, trace });
    trace?.('vit_out', seen);
    // 2. ln_vision, and the cls token is dropped.
    return visualTokens({ x: seen, params: params.vision, config: vision, trace });
  });
}

/**
 * From what the tower saw to the language model's space.
 * @param tokens f32[N, P, Dv]
 * @returns f32[N, P / join, Dl]
 */
export function projectImages({ config, params }: MiniGpt, tokens: Tensor, trace?: Trace): Tensor {
  return tf.tidy(() => {
    // 3. Four horizontal neighbours become one token, which the projector maps to the width of LLaMA.
    const joined = joinNeighbours(tokens, config.join);
    trace?.('concat4', joined);
    const projected = project(joined, params.projector);
    trace?.('img_embeds', projected);
    return projected;
  });
}

/**
 * Text and images of a batch as one sequence of embeddings.
 * @returns f32[B, T, Dl]
 */
export function inputEmbeddings(model: MiniGpt, batch: DeviceBatch, trace?: Trace): Tensor {
  const { shape, textIds, sources } = batch;
  return tf.tidy(() => {
    // 4. Words become rows of the embedding matrix; image tokens take the places of their slots.
    const text = embedTokens(textIds, model.params.llama);
    const images = imagesOf(model, batch, trace);
    const embeddings =
      sources === undefined || images === undefined
        ? tf.reshape(text, [...shape, text.shape[1] ?? 0])
        : splice({ text, images, sources, shape });
    trace?.('inputs_embeds', embeddings);
    return embeddings;
  });
}

function imagesOf(model: MiniGpt, { seen, pixels }: DeviceBatch, trace?: Trace): Tensor | undefined {
  if (seen !== undefined) return projectImages(model, seen, trace);
  return pixels === undefined ? undefined : encodeImages(model, pixels, trace);
}

/** What the blocks of LLaMA share in a forward over this batch. */
export function blockContext(model: MiniGpt, batch: DeviceBatch, options: ForwardOptions = {}): BlockContext {
  const { rope, bias } = batch;
  const lora = options.withoutAdapters === true ? undefined : model.params.lora;
  return { config: model.config.llm, rope, bias, lora, dropout: options.dropout };
}

/**
 * The whole forward: the loss of each supervised token.
 * @returns f32[N] negative log-likelihoods, in the order of `batch.places`
 */
export function tokenLosses(model: MiniGpt, batch: DeviceBatch, options: ForwardOptions = {}): Tensor {
  const { recompute, trace } = options;
  const { params } = model;
  return tf.tidy(() => {
    const embeddings = inputEmbeddings(model, batch, trace);
    // 5. LLaMA with adapters reads the sequence causally.
    const context = blockContext(model, batch, options);
    const hidden = llamaHidden({ embeddings, params: params.llama, context, recompute, trace });
    // 6. Logits where a supervised token is predicted.
    const logits = supervisedLogits(model, { hidden, batch, options });
    // 7. Cross-entropy of those tokens.
    return maskedCrossEntropy(logits, batch.labels);
  });
}

function supervisedLogits(
  model: MiniGpt,
  { hidden, batch, options }: { hidden: Tensor; batch: DeviceBatch; options: ForwardOptions },
): Tensor {
  const { llama } = model.params;
  if (options.supervisedOnly !== false) return llamaLogits({ hidden, params: llama, rows: batch.rows });
  const all = llamaLogits({ hidden, params: llama });
  options.trace?.('logits', all);
  return tf.gather(tf.reshape(all, [-1, all.shape[2] ?? 0]), batch.rows);
}
