/**
 * The proof of an export: logits of fixed inputs by the model that was trained, kept in parity.safetensors, and by the model that was
 * read back. Whoever loads the export elsewhere can compare with the same file.
 */

import { randomStream } from '../core/rng.ts';
import { padRows } from '../data/collate.ts';
import { encodeTurns } from '../data/encode.ts';
import { evaluationInstruction } from '../data/task.ts';
import { buildPrompt } from '../data/template.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { fromFloat32, fromInt32, type HostTensor, toFloat32, toInt32 } from '../formats/host-tensor.ts';
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts';
import { deviceBatch, disposeBatch } from '../model/batch.ts';
import { type ModelConfig, tokensPerImage } from '../model/config.ts';
import { llamaHidden, llamaLogits } from '../model/llama/model.ts';
import { blockContext, inputEmbeddings, type MiniGpt } from '../model/minigpt.ts';

/** What is asked: with an image and without, words, boxes and an answer. */
const ROWS = [
  { image: true, question: evaluationInstruction('caption', ''), answer: 'a red car and a dog' },
  { image: true, question: evaluationInstruction('refer', 'the left circle'), answer: '{<12><34><56><100>}' },
  { image: true, question: evaluationInstruction('vqa', 'how many are there?'), answer: '2' },
  { image: false, question: 'what is this?', answer: 'a test' },
] as const;

/** Fixed inputs. B rows of T tokens, N images of S x S pixels. */
export interface ParityInputs {
  /** int32[B, T], IMAGE_SLOT at each visual token */
  tokenIds: Int32Array;
  /** u8[B, T] */
  attentionMask: Uint8Array;
  shape: readonly [number, number];
  /** u8[N, S, S, 3] */
  pixels: Uint8Array;
}

/** What a model answers to the inputs. M places, each the one before a token of text. */
export interface ParityAnswers {
  /** int32[M] b * T + t */
  places: Int32Array;
  /** f32[M, V] */
  logits: Float32Array;
  /** f32[N, P / join, join * D] what the vision tower saw, neighbours joined */
  visualTokens: Float32Array;
  /** f32[N, P / join, Dl] images in the language model's space */
  imageEmbeds: Float32Array;
}

/** The inputs for a model; they depend on its sizes and tokenizer alone. */
export function parityInputs(config: ModelConfig, tokenizer: Tokenizer): ParityInputs {
  const encode = { tokenizer, imageTokens: tokensPerImage(config) };
  const rows = ROWS.map(({ image, question, answer }) =>
    encodeTurns([{ prompt: buildPrompt({ question, images: image ? 1 : 0 }), answer }], encode),
  );
  const { tokenIds, attentionMask, shape } = padRows(rows);
  const images = ROWS.filter(({ image }) => image).length;
  return { tokenIds, attentionMask, shape, pixels: fixedPixels(images, config.vision.imageSize) };
}

/** u8[N, S, S, 3]: blocks of colour under noise, a different picture for each image. */
function fixedPixels(images: number, size: number): Uint8Array {
  const pixels = new Uint8Array(images * size * size * 3);
  const random = randomStream(0x70617269, size);
  for (let place = 0; place < pixels.length; place++) {
    const pixel = Math.floor(place / 3);
    const [x, y] = [pixel % size, Math.floor(pixel / size)];
    const block = random.child(Math.floor((8 * x) / size) + 64 * Math.floor((8 * y) / size)).uint32(place % 3) >>> 25;
    pixels[place] = block + (random.uint32(place) >>> 25);
  }
  return pixels;
}

/** The model's answers, on the engine that is open. */
export async function parityAnswers(model: MiniGpt, inputs: ParityInputs): Promise<ParityAnswers> {
  const { tokenIds, attentionMask, shape, pixels } = inputs;
  const labels = tokenIds.map((id, place) => (attentionMask[place] === 1 && id >= 0 ? id : -1));
  const batch = deviceBatch({ tokenIds, labels, attentionMask, shape, pixels }, model.config);
  const seen = new Map<string, Tensor>();
  const logits = tf.tidy(() => {
    const { params } = model;
    const embeddings = inputEmbeddings(model, batch, (name, tensor) => {
      if (name === 'concat4' || name === 'img_embeds') seen.set(name, tf.keep(tensor.clone()));
    });
    const hidden = llamaHidden({ embeddings, params: params.llama, context: blockContext(model, batch) });
    return llamaLogits({ hidden, params: params.llama, rows: batch.rows });
  });
  try {
    return {
      places: batch.places,
      logits: await logits.data<'float32'>(),
      visualTokens: await (seen.get('concat4') as Tensor).data<'float32'>(),
      imageEmbeds: await (seen.get('img_embeds') as Tensor).data<'float32'>(),
    };
  } finally {
    tf.dispose([logits, ...seen.values()]);
    disposeBatch(batch);
  }
}

/** How far two answers lie apart. */
export interface ParityFigure {
  /** Infinity where the answers have different sizes or one is not finite. */
  maxAbsLogitDiff: number;
  /** Largest expected logit. */
  maxAbsLogit: number;
  places: number;
}

/** Compares logits, and what lies before them on the image side, whose difference counts as much. */
export function compareAnswers(expected: ParityAnswers, found: ParityAnswers): ParityFigure {
  const maxAbsLogitDiff = Math.max(
    largestDifference(expected.logits, found.logits),
    largestDifference(expected.visualTokens, found.visualTokens),
    largestDifference(expected.imageEmbeds, found.imageEmbeds),
  );
  let maxAbsLogit = 0;
  for (const value of expected.logits) maxAbsLogit = Math.max(maxAbsLogit, Math.abs(value));
  return { maxAbsLogitDiff, maxAbsLogit, places: expected.places.length };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let place = 0; place < a.length; place++) {
    const difference = Math.abs((a[place] as number) - (b[place] as number));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}

/** Whether a figure stays within a tolerance that counts in shares of the largest logit. */
export function withinTolerance({ maxAbsLogitDiff, maxAbsLogit }: ParityFigure, tolerance: number): boolean {
  return maxAbsLogitDiff <= tolerance * Math.max(1, maxAbsLogit);
}

/** Writes inputs and the trained model's answers. */
export async function writeParity(
  path: string,
  { inputs, answers, config }: { inputs: ParityInputs; answers: ParityAnswers; config: ModelConfig },
): Promise<void> {
  const { imageSize } = config.vision;
  const images = inputs.pixels.length / (3 * imageSize * imageSize);
  const bytes = (data: Uint8Array, shape: number[]): HostTensor => ({ dtype: 'U8', shape, bytes: data });
  await writeSafetensors(
    path,
    new Map([
      ['token_ids', fromInt32(inputs.tokenIds, inputs.shape)],
      ['attention_mask', bytes(inputs.attentionMask, [...inputs.shape])],
      ['pixels', bytes(inputs.pixels, [images, imageSize, imageSize, 3])],
      ['places', fromInt32(answers.places, [answers.places.length])],
      ['logits', fromFloat32(answers.logits, [answers.places.length, config.llm.vocabulary])],
      [
        'visual_tokens',
        fromFloat32(answers.visualTokens, [images, tokensPerImage(config), config.join * config.vision.width]),
      ],
      ['image_embeds', fromFloat32(answers.imageEmbeds, [images, tokensPerImage(config), config.llm.width])],
    ]),
  );
}

/** Reads what {@link writeParity} wrote. */
export async function readParity(path: string): Promise<{ inputs: ParityInputs; answers: ParityAnswers }> {
  const tensors = await readSafetensors(path);
  const get = (name: string): HostTensor => tensors.get(name) ?? { dtype: 'U8', shape: [0], bytes: new Uint8Array() };
  const [B = 0, T = 0] = get('token_ids').shape;
  return {
    inputs: {
      tokenIds: toInt32(get('token_ids')),
      attentionMask: get('attention_mask').bytes,
      shape: [B, T],
      pixels: get('pixels').bytes,
    },
    answers: {
      places: toInt32(get('places')),
      logits: toFloat32(get('logits')),
      visualTokens: toFloat32(get('visual_tokens')),
      imageEmbeds: toFloat32(get('image_embeds')),
    },
  };
}
