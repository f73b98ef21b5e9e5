/**
 * What a frozen tower makes of images, on the host, so that it can be kept and used again: computed once an image, put on the
 * device as often as it is needed.
 */
import { createHash } from 'node:crypto';
import { TristageError } from '../../core/errors.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { gridSide, type ModelConfig, type VisionConfig } from '../config.ts';
import { LN_VISION_PREFIX, VISION_PREFIX } from '../shapes.ts';
import type { ParamStore } from '../store.ts';

/** @returns values of one image as the tower gives it out, f32[P, Dv]: patches times width */
export function seenSize(vision: VisionConfig): number {
  return gridSide(vision) ** 2 * vision.width;
}

/**
 * Puts what was seen on the device.
 * @param tokens f32[P, Dv] of each image, at least one
 * @returns f32[N, P, Dv]
 * @throws TristageError `E_PIXELS` where it is not of this tower's size
 */
export function seenTokens(tokens: readonly Float32Array[], { vision }: Pick<ModelConfig, 'vision'>): Tensor {
  const size = seenSize(vision);
  const joined = new Float32Array(tokens.length * size);
  for (const [place, one] of tokens.entries()) {
    if (one.length !== size) throw sizeError(one.length, size);
    joined.set(one, place * size);
  }
  return tf.tensor3d(joined, [tokens.length, gridSide(vision) ** 2, vision.width]);
}

function sizeError(found: number, expected: number): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_PIXELS',
    message: 'What the tower saw in an image does not have the size that this tower gives out',
    found: `${found} values`,
    expected: `${expected} values`,
    fix: 'Use features of the same model',
  });
}

/**
 * A hash of all that decides what a tower makes of pixels, besides what computes it: every value of its weights as they lie on
 * the engine, and its sizes and constants. Weights are read to the host one at a time.
 * @throws TristageError `E_FEATURE_CACHE` where one of the weights may train
 */
export async function towerHash(store: ParamStore, vision: VisionConfig): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(Object.entries(vision).sort(([a], [b]) => (a < b ? -1 : 1))));
  for (const [name, tensor] of [...store].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(VISION_PREFIX) && !name.startsWith(LN_VISION_PREFIX)) continue;
    if (tensor instanceof tf.Variable) throw trainsError(name);
    const values = await tensor.data();
    hash.update(`\n${name} ${tensor.shape.join()}\n`);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

function trainsError(name: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_FEATURE_CACHE',
    message: 'What a tower sees cannot be kept while it trains',
    where: name,
    found: 'a weight that trains',
    expected: 'a frozen vision tower',
    fix: 'Leave data.featureCache out, or vision out of train.trainable',
  });
}
