/** Greedy generation for a batch of prompts, each new token computed with the keys and values of those before it. */
import { TristageError } from '../core/errors.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { headWidth, tokensPerImage } from '../model/config.ts';
import { attentionBias, cachedBias } from '../model/llama/mask.ts';
import { disposeCache, embedTokens, type KeyValueCache, llamaCached, llamaLogits } from '../model/llama/model.ts';
import { maskedPositions, ropeTables } from '../model/llama/rope.ts';
import { encodeImages, type MiniGpt } from '../model/minigpt.ts';
import { planSplice, splice } from '../model/splice.ts';
import { countImages, normalisedPixels, type Pixels } from '../model/vision/normalise.ts';

/** Prompts padded on the left to one length, as `padRows(..., { align: 'left' })` makes them. */
export interface PromptBatch {
  /** int32[B * T], IMAGE_SLOT for each visual token */
  tokenIds: Int32Array;
  /** u8[B * T], 0 for padding, which stands on the left only */
  attentionMask: Uint8Array;
  shape: readonly [number, number];
  /** Images in the order of their slots. */
  pixels?: Pixels | undefined;
  /** f32[N, P / join, D], what `encodeImages` made of them, in place of the pixels; stays the caller's. */
  features?: Tensor | undefined;
  imagesPerRow?: readonly number[] | undefined;
}

export interface GenerateOptions {
  maxNewTokens: number;
  /** Ends a row. */
  eosId: number;
  /** Called with the logits f32[B, V] of each step while they are alive; every row is then computed to the end. */
  onLogits?: ((step: number, logits: Tensor) => void) | undefined;
  withoutAdapters?: boolean | undefined;
}

/** What a prompt was continued with. */
export interface Generated {
  /** New tokens, the end symbol included where the row reached it. */
  tokenIds: number[];
  /** Whether the row ended by itself. */
  ended: boolean;
}

/**
 * Continues each prompt with the likeliest token, again and again. Positions count visible tokens only, so a row's answer does not
 * depend on how far it was padded.
 * @returns one entry for each row
 * @throws TristageError `E_PROMPT_PADDING` for padding that is not on the left, and the errors of `planSplice`
 */
export async function generate(model: MiniGpt, prompts: PromptBatch, options: GenerateOptions): Promise<Generated[]> {
  const { onLogits, eosId, maxNewTokens } = options;
  const [B, T] = prompts.shape;
  checkLeftPadding(prompts);
  const rows = Array.from({ length: B }, (): Generated => ({ tokenIds: [], ended: false }));
  if (maxNewTokens < 1) return rows;
  let places = rows.map((_, b) => b);
  let state = advance(model, { ...promptInput(model, prompts), mask: prompts.attentionMask, width: T, options });
  try {
    for (let step = 0; ; step++) {
      onLogits?.(step, state.logits);
      let chosen = await likeliest(state.logits);
      for (const [place, b] of places.entries()) append(rows[b] as Generated, chosen[place] ?? eosId, eosId);
      if (step + 1 === maxNewTokens || rows.every((row) => row.ended)) return rows;
      const going = [...places.keys()].filter((place) => !rows[places[place] as number]?.ended);
      if (onLogits === undefined && going.length <= WORTH_LEAVING * places.length) {
        state = keepRows(state, going);
        places = going.map((place) => places[place] as number);
        chosen = Int32Array.from(going, (place) => chosen[place] ?? eosId);
      }
      const next = advance(model, { ...tokenInput(model, chosen), ...extended(state), cache: state.cache, options });
      disposeState(state);
      state = next;
    }
  } finally {
    disposeState(state);
  }
}

/** Rows that have ended leave the batch once no more than this share goes on: a step costs about as much as it has rows. */
const WORTH_LEAVING = 0.75;

function append(row: Generated, token: number, eosId: number): void {
  if (row.ended) return;
  row.tokenIds.push(token);
  row.ended = token === eosId;
}

/** Where generation stands: what all tokens so far left behind. */
interface State {
  /** f32[B, V] */
  logits: Tensor;
  cache: KeyValueCache;
  /** u8[B * S] */
  mask: Uint8Array;
  /** S */
  width: number;
}

function disposeState({ logits, cache }: State): void {
  logits.dispose();
  disposeCache(cache);
}

/** The state of some rows alone; takes over the state of all. */
function keepRows(state: State, places: readonly number[]): State {
  const { width } = state;
  const cache = tf.tidy(() => {
    const index = tf.tensor1d([...places], 'int32');
    return state.cache.map(({ k, v }) => ({ k: tf.gather(k, index), v: tf.gather(v, index) }));
  });
  disposeCache(state.cache);
  const mask = new Uint8Array(places.length * width);
  for (const [row, place] of places.entries())
    mask.set(state.mask.subarray(place * width, (place + 1) * width), row * width);
  return { ...state, cache, mask };
}

/** The mask with one more visible place in each row. */
function extended({ mask, width }: State): { mask: Uint8Array; width: number } {
  const rows = mask.length / width;
  const wider = new Uint8Array(rows * (width + 1)).fill(1);
  for (let b = 0; b < rows; b++) wider.set(mask.subarray(b * width, (b + 1) * width), b * (width + 1));
  return { mask: wider, width: width + 1 };
}

/** One pass over new tokens. Takes over the embeddings; the given cache stays the caller's. */
function advance(
  model: MiniGpt,
  request: {
    /** f32[B, T, D] */
    embeddings: Tensor;
    /** Of all tokens so far, the new ones included. */
    mask: Uint8Array;
    width: number;
    cache?: KeyValueCache;
    options: GenerateOptions;
  },
): State {
  const { embeddings, mask, width, cache, options } = request;
  const { llm } = model.config;
  const { llama, lora } = model.params;
  const [B, T] = embeddings.shape as [number, number, number];
  const { logits, extendedCache } = tf.tidy(() => {
    const positions = lastColumns(maskedPositions(mask, width), width, T);
    const { hidden, cache: extendedCache } = llamaCached({
      embeddings,
      params: llama,
      context: {
        config: llm,
        rope: ropeTables({
          positions,
          rows: B,
          headWidth: headWidth(llm),
          base: llm.ropeBase,
          scaling: llm.ropeScaling,
        }),
        bias: T === width ? attentionBias({ mask, shape: [B, T] }) : cachedBias(mask, [B, width]),
        lora: options.withoutAdapters === true ? undefined : lora,
      },
      cache,
    });
    const last = Int32Array.from({ length: B }, (_, b) => (b + 1) * T - 1);
    return { logits: llamaLogits({ hidden, params: llama, rows: tf.tensor1d(last, 'int32') }), extendedCache };
  });
  embeddings.dispose();
  return { logits, cache: extendedCache, mask, width };
}

/** The last `count` of every `width` values. */
function lastColumns(values: Int32Array, width: number, count: number): Int32Array {
  return values.filter((_, i) => i % width >= width - count);
}

function promptInput(model: MiniGpt, prompts: PromptBatch): { embeddings: Tensor } {
  const { config, params } = model;
  const { tokenIds, shape, imagesPerRow, features } = prompts;
  const pixels = prompts.pixels === undefined || prompts.pixels.length === 0 ? undefined : prompts.pixels;
  const counted = pixels === undefined ? 0 : countImages(pixels, config.vision.imageSize);
  const { vocabulary } = config.llm;
  const plan = planSplice({
    tokenIds,
    shape,
    vocabulary,
    images: features?.shape[0] ?? counted,
    tokensPerImage: tokensPerImage(config),
    imagesPerRow,
  });
  return tf.tidy(() => {
    const text = embedTokens(tf.tensor1d(plan.textIds, 'int32'), params.llama);
    const images = plan.sources === undefined ? undefined : (features ?? featuresOf(model, pixels));
    if (plan.sources === undefined || images === undefined) {
      return { embeddings: tf.reshape(text, [...shape, config.llm.width]) };
    }
    return { embeddings: splice({ text, images, sources: tf.tensor1d(plan.sources, 'int32'), shape }) };
  });
}

function featuresOf(model: MiniGpt, pixels: Pixels | undefined): Tensor | undefined {
  if (pixels === undefined) return undefined;
  return encodeImages(model, normalisedPixels(pixels, model.config.vision));
}

function tokenInput(model: MiniGpt, tokenIds: Int32Array): { embeddings: Tensor } {
  return tf.tidy(() => {
    const rows = embedTokens(tf.tensor1d(tokenIds, 'int32'), model.params.llama);
    return { embeddings: tf.reshape(rows, [tokenIds.length, 1, model.config.llm.width]) };
  });
}

async function likeliest(logits: Tensor): Promise<Int32Array> {
  const best = tf.argMax(logits, -1);
  try {
    return Int32Array.from(await best.data());
  } finally {
    best.dispose();
  }
}

function checkLeftPadding({ attentionMask: mask, shape }: PromptBatch): void {
  const [B, T] = shape;
  for (let b = 0; b < B; b++) {
    for (let t = 1; t <= T; t++) {
      const gap = t < T && mask[b * T + t] === 0 && mask[b * T + t - 1] !== 0;
      if (!gap && !(t === T && mask[b * T + T - 1] === 0)) continue;
      throw new TristageError({
        kind: 'failure',
        code: 'E_PROMPT_PADDING',
        message: 'Prompts must be padded on the left and must not be empty',
        where: `row ${b}`,
        found: t === T ? 'no token at the end' : `padding at position ${t} after a token`,
        expected: 'padding, then tokens to the end of the row',
      });
    }
  }
}
