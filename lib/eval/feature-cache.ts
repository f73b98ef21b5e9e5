/** What the model sees in the images of an evaluation, computed once for each image. */

import { type ImageTransform, loadImage } from '../data/image.ts';
import type { ImageRef } from '../data/sample.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { tokensPerImage } from '../model/config.ts';
import { encodeImages, type MiniGpt, projectImages } from '../model/minigpt.ts';
import { normalisedPixels } from '../model/vision/normalise.ts';
import { seenTokens } from '../model/vision/seen.ts';

export interface FeatureCache {
  /** How many images it keeps. */
  readonly capacity: number;
  /** Images that were encoded so far; an image that had to make room counts again. */
  encoded(): number;
  /**
   * Features of images, in order; repeats are allowed.
   * @returns f32[N, P / join, D], the caller's
   * @throws TristageError E_IMAGE for an image that cannot be read
   */
  features(images: readonly ImageRef[]): Promise<Tensor>;
  dispose(): void;
}

/** What the frozen tower makes of images: f32[P, Dv] of each. */
export type Seeing = (images: readonly ImageRef[]) => Promise<readonly Float32Array[]>;

/** Memory for kept features: sixty images of the largest preset, thousands of a small one. */
const MOST_BYTES = 2 ** 28;

/**
 * @param request `atOnce`: most different images of one call; `mostBytes`: memory for kept features, though `atOnce` images always fit;
 *   `see`: gives what the tower makes of images, where that is stored on disk
 */
export function createFeatureCache(request: {
  model: MiniGpt;
  transform: ImageTransform;
  atOnce: number;
  mostBytes?: number;
  see?: Seeing | undefined;
}): FeatureCache {
  const { model, transform, atOnce, mostBytes = MOST_BYTES, see } = request;
  const { config } = model;
  const bytes = 4 * tokensPerImage(config) * config.llm.width;
  const capacity = Math.max(atOnce, Math.floor(mostBytes / bytes));
  const kept = new Map<ImageRef, Tensor>();
  let encoded = 0;
  const encodeAll = async (images: readonly ImageRef[]): Promise<Tensor[]> => {
    const size = config.vision.imageSize;
    const loaded = await Promise.all(images.map((image) => loadImage(image, { size, transform })));
    const pixels = new Uint8Array(loaded.length * size * size * 3);
    for (const [place, one] of loaded.entries()) pixels.set(one, place * size * size * 3);
    return tf.tidy(() => tf.unstack(encodeImages(model, normalisedPixels(pixels, config.vision))));
  };
  const encode = async (images: readonly ImageRef[]): Promise<void> => {
    if (images.length === 0) return;
    const rows = see === undefined ? await encodeAll(images) : projectAll(model, await see(images));
    for (const [place, image] of images.entries()) kept.set(image, rows[place] as Tensor);
    encoded += images.length;
  };
  const makeRoom = (wanted: ReadonlySet<ImageRef>, missing: number): void => {
    for (const [image, tensor] of kept) {
      if (kept.size + missing <= capacity) return;
      if (wanted.has(image)) continue;
      tensor.dispose();
      kept.delete(image);
    }
  };
  return {
    capacity,
    encoded: () => encoded,
    async features(images) {
      const wanted = new Set(images);
      const missing = [...wanted].filter((image) => !kept.has(image));
      makeRoom(wanted, missing.length);
      await encode(missing);
      return tf.stack(images.map((image) => kept.get(image) as Tensor));
    },
    dispose() {
      for (const tensor of kept.values()) tensor.dispose();
      kept.clear();
    },
  };
}

function projectAll(model: MiniGpt, tokens: readonly Float32Array[]): Tensor[] {
  return tf.tidy(() => tf.unstack(projectImages(model, seenTokens(tokens, model.config))));
}
