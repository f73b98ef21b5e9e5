/** Pixels to the numbers that the vision transformer was trained on. */
import { TristageError } from '../../core/errors.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { PixelNorm, VisionConfig } from '../config.ts';

/** Mean and deviation of each colour, of images in 0..1: CLIP's, as blip_processors.py uses them, and ImageNet's, as DINOv2 does. */
const PIXEL_NORMS = {
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const satisfies Record<PixelNorm, { mean: readonly number[]; std: readonly number[] }>;

/** What a tower takes from each colour, and what it divides by; both of images in 0..1. */
export function pixelNorm({ pixels = 'clip' }: Pick<VisionConfig, 'pixels'>): { mean: number[]; std: number[] } {
  const { mean, std } = PIXEL_NORMS[pixels];
  return { mean: [...mean], std: [...std] };
}

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
export function normalisedPixels(pixels: Pixels, config: Pick<VisionConfig, 'imageSize' | 'pixels'>): Tensor {
  const { imageSize } = config;
  const N = countImages(pixels, imageSize);
  if (pixels instanceof Float32Array) return tf.tensor4d(pixels, [N, 3, imageSize, imageSize]);
  const { mean, std } = pixelNorm(config);
  return tf.tidy(() => {
    const bytes = tf.cast(tf.tensor4d(new Int32Array(pixels), [N, imageSize, imageSize, 3], 'int32'), 'float32');
    const scaled = tf.div(tf.sub(tf.div(bytes, 255), tf.tensor1d(mean)), tf.tensor1d(std));
    return tf.transpose(scaled, [0, 3, 1, 2]);
  });
}
