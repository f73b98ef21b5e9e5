/** Images through the frozen tower, one at a time, for whoever keeps the result. */
import { tf } from '../engine/tf.ts';
import { seeImages, type Tower } from './minigpt.ts';
import { countImages, normalisedPixels, type Pixels } from './vision/normalise.ts';

/**
 * What the tower makes of images. Each goes through it alone, so that the result depends on nothing but the image: TensorFlow's
 * products differ in the last bits with the number of rows and the place among them, and what is kept must not depend on the
 * batch in which an image happened to come first.
 * @param pixels u8[N, S, S, 3], or f32[N, 3, S, S] normalised
 * @returns N times f32[P, Dv], as `SeenImages.tokens`; no tensor stays behind
 */
export async function seeEach(tower: Tower, pixels: Pixels): Promise<Float32Array[]> {
  const { vision } = tower.config;
  const images = countImages(pixels, vision.imageSize);
  const size = pixels.length / images;
  const tokens = Array.from({ length: images }, (_, image) =>
    tf.tidy(() => seeImages(tower, normalisedPixels(pixels.subarray(image * size, (image + 1) * size), vision))),
  );
  try {
    // Read when all are under way: a GPU then has work all the time.
    return await Promise.all(tokens.map(async (one) => (await one.data<'float32'>()).slice()));
  } finally {
    tf.dispose(tokens);
  }
}
