/** What each patch of an image shows: the dense truth on which a small vision tower can be trained. */

import type { SceneObject } from './sample.ts';

/** One entry a patch, row by row. */
export interface PatchTruth {
  /** u8[P]: 0 for background, 1 + index of the name for an object. */
  readonly classes: Uint8Array;
  /** f32[P, 4]: box of the object as fractions of the image; zeros for background. */
  readonly boxes: Float32Array;
}

export interface PatchTruthOptions {
  /** Names of the classes, at most 255; objects of other names count as background. */
  readonly names: readonly string[];
  /** Patches along each side; P is its square. */
  readonly patches: number;
}

/** Share of a patch that a box must cover for the patch to belong to its object. */
const COVERED = 0.3;

/**
 * The object of each patch: the one whose box covers most of it, of equals the last (it lies on top), if that is 30 % of the patch.
 * @param objects all objects of the image, as a sample's truth lists them
 */
export function patchTruth(objects: readonly SceneObject[], { names, patches }: PatchTruthOptions): PatchTruth {
  const classes = new Uint8Array(patches * patches);
  const boxes = new Float32Array(patches * patches * 4);
  const known = objects.flatMap(({ name, box }) =>
    names.includes(name) ? [{ label: names.indexOf(name) + 1, box }] : [],
  );
  for (let row = 0, patch = 0; row < patches; row++) {
    for (let column = 0; column < patches; column++, patch++) {
      let most = COVERED;
      for (const { label, box } of known) {
        const width = overlap(box[0] * patches, box[2] * patches, column);
        const share = width * overlap(box[1] * patches, box[3] * patches, row);
        // A hair of tolerance, so that equal shares do not depend on rounding.
        if (share < most - 1e-9) continue;
        most = share;
        classes[patch] = label;
        boxes.set(box, patch * 4);
      }
    }
  }
  return { classes, boxes };
}

/** Length of the part of [from, to] inside [cell, cell + 1]. */
function overlap(from: number, to: number, cell: number): number {
  return Math.max(0, Math.min(to, cell + 1) - Math.max(from, cell));
}
