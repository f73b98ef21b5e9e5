/** Scenes with the truth of each patch, as the thread that draws training images asks for them. */

import { TristageError } from '../../lib/core/errors.ts';
import { sha256 } from '../../lib/core/hash.ts';
import type { PatchOptions, PatchScenes } from '../../lib/data/patch-scenes.ts';
import { patchTruth } from '../../lib/data/patch-truth.ts';
import { openScenes } from './emoji-scenes.ts';

/** Changes when equal options begin to give other scenes or other truths. */
const VERSION = 1;

/**
 * Opens training and held-out scenes.
 * @throws TristageError E_SOURCE_OPTIONS for options that contradict each other or do not fit the model
 */
export async function openPatches({ options, imageSize, grid }: PatchOptions): Promise<PatchScenes> {
  if (options['split'] === 'heldout') throw misfit('split: held-out scenes are for evaluation, training takes train');
  const { count: length = 20000 } = options as { count?: number };
  const given = { ...options, count: length, imageSize: Number(options['imageSize'] ?? imageSize) };
  if (given.imageSize !== imageSize) {
    throw misfit(`imageSize ${given.imageSize} is not the ${imageSize} of model.vision.imageSize`);
  }
  const sets = {
    train: await openScenes({ ...given, split: 'train' }),
    heldout: await openScenes({ ...given, split: 'heldout', easyFirst: 0 }),
  };
  const { art, options: scene } = sets.train;
  const kinds = art.kinds.map(({ name }) => name);
  return {
    kinds,
    length,
    fingerprint: sha256(JSON.stringify([VERSION, kinds, scene, art.minSide, art.maxSide, length, grid])),
    scene(split, index) {
      const drawn = sets[split].scene(index);
      return { pixels: drawn.image.pixels, ...patchTruth(drawn.objects, { names: kinds, patches: grid }) };
    },
  };
}

function misfit(message: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_SOURCE_OPTIONS',
    message: `options of source emoji-scenes: ${message}`,
  });
}
