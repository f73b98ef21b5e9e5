/** Pixels to the numbers that the vision transformer was trained on. */
import { TristageError } from '../../core/errors.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/** Mean and deviation of each colour, of images in 0..1 (CLIP's, as blip_processors.py uses them). */
export const PIXEL_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
export const PIXEL_STD = [0.26862954, 0.26130258, 0.27577711] as const;

/**
 * Pixels of a batch: bytes N x S x S x 3 as decoded, or float32 N x 3 x S x S already normalised.
 */
export type Pixels = Uint8Array | Float32Array;

/** @returns number of images held by `pixels` of side S */
export function countImages(pixels: Pixels, imageSize: number): number {
  const size = 3 * imageSize * imageSize;
  if (pixels.length % size === 0) return pixels.length / size;
  throw new TristageError({
    kind: 'data',
    code: 'E_PIXELS',
    message: 'The pixels of a batch are not a whole number of images',
    found: `${pixels.length} values`,
    expected: `a multiple of 3 x ${imageSize} x ${imageSize}`,
    fix: 'Resize every image to the model’s input size',
  });
}

/**
 * Puts pixels on the device and normalises them there.
 * @returns f32[N, 3, S, S]
 */
export function normalisedPixels(pixels: Pixels, imageSize: number): Tensor {
  const N = countImages(pixels, imageSize);
  if (pixels instanceof Float32Array) return tf.tensor4d(pixels, [N, 3, imageSize, imageSize]);
  return tf.tidy(() => {
    const bytes = tf.cast(tf.tensor4d(Int32Array.from(pixels), [N, imageSize, imageSize, 3], 'int32'), 'float32');
    const scaled = tf.div(tf.sub(tf.div(bytes, 255), tf.tensor1d([...PIXEL_MEAN])), tf.tensor1d([...PIXEL_STD]));
    return tf.transpose(scaled, [0, 3, 1, 2]);
  });
}
