/** Image features in the place of their slots in the token sequence. */
import { TristageError } from '../core/errors.ts';
import { type Tensor, tf } from '../engine/tf.ts';

/** Stands in a sequence of token ids for one projected visual token. */
export const IMAGE_SLOT = -200;
/** Where each place of a batch takes its embedding from. */
export interface SplicePlan {
  /** int32[B * T] token ids, slots and padding replaced by 0. */
  textIds: Int32Array;
  /** int32[B * T] row of `[token embeddings; image features]` that each place takes; absent where the batch has no slot. */
  sources?: Int32Array;
}

/**
 * Assigns image features to slots: images in order of their rows, and within a row the features in order. A row that was cut short
 * inside an image uses that image's first features.
 * @param request token ids int32[B * T]; number of images and features of each; `imagesPerRow` where rows may have lost whole images;
 *   `order`: which of the features each image takes, where equal images share them (default: its own)
 * @throws TristageError `E_IMAGE_SLOTS` when slots and images do not match, `E_TOKEN_ID` for an id outside the vocabulary
 */
export function planSplice(request: {
  tokenIds: Int32Array;
  shape: readonly [number, number];
  vocabulary: number;
  images: number;
  tokensPerImage: number;
  imagesPerRow?: readonly number[] | undefined;
  order?: ArrayLike<number> | undefined;
}): SplicePlan {
  const { tokenIds, images, tokensPerImage, imagesPerRow, order } = request;
  const [B, T] = request.shape;
  const textIds = textOnly(tokenIds, request.vocabulary);
  const sources = Int32Array.from({ length: B * T }, (_, i) => i);
  let firstImage = 0;
  let slots = 0;
  for (let b = 0; b < B; b++) {
    let slot = 0;
    for (let i = b * T; i < (b + 1) * T; i++) {
      if (tokenIds[i] !== IMAGE_SLOT) continue;
      const image = firstImage + Math.floor(slot / tokensPerImage);
      sources[i] = B * T + (order?.[image] ?? image) * tokensPerImage + (slot % tokensPerImage);
      slot++;
    }
    const used = Math.ceil(slot / tokensPerImage);
    const owned = imagesPerRow?.[b] ?? used;
    if (used > owned)
      throw slotsError(`row ${b}`, `${slot} slots`, `at most ${owned} images of ${tokensPerImage} tokens`);
    firstImage += owned;
    slots += slot;
  }
  if (firstImage !== images) {
    throw slotsError('batch', `slots for ${firstImage} images`, `${images} images of ${tokensPerImage} tokens each`);
  }
  return slots === 0 ? { textIds } : { textIds, sources };
}

function textOnly(tokenIds: Int32Array, vocabulary: number): Int32Array {
  return tokenIds.map((id, i) => {
    if (id === IMAGE_SLOT) return 0;
    if (id >= 0 && id < vocabulary) return id;
    throw new TristageError({
      kind: 'data',
      code: 'E_TOKEN_ID',
      message: 'A token id lies outside the vocabulary of the model',
      where: `place ${i} of the batch`,
      found: String(id),
      expected: `0 to ${vocabulary - 1}, or ${IMAGE_SLOT} for an image slot`,
      fix: 'Use the tokenizer that belongs to the model',
    });
  });
}

function slotsError(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_IMAGE_SLOTS',
    message: 'Image slots and images of a batch do not match',
    where,
    found,
    expected,
    fix: 'Give each image as many slots as the model makes tokens of it, and each batch the pixels of its images in order',
  });
}

/**
 * Token embeddings with image features in their slots; gradients flow to both.
 * @param request text f32[N, D] with N = B * T, images f32[M, L, D], sources int32[N] into their concatenation
 * @returns f32[B, T, D]
 */
export function splice(request: {
  text: Tensor;
  images: Tensor;
  sources: Tensor;
  shape: readonly [number, number];
}): Tensor {
  const { text, images, sources, shape } = request;
  return tf.tidy(() => {
    const D = text.shape[1] ?? 0;
    const rows = tf.concat([text, tf.reshape(images, [-1, D])], 0);
    return tf.reshape(tf.gather(rows, sources), [...shape, D]);
  });
}
