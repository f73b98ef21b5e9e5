/** What each patch of a scene shows: the dense truth on which the quickstart's vision tower is trained. */

import type { Scene } from './scene.ts';

/** One entry a patch, row by row. */
export interface PatchTruth {
  /** u8[P]: 0 for background, 1 + index of the class for an object. */
  readonly classes: Uint8Array;
  /** f32[P, 4]: box of the object as fractions of the image; zeros for background. */
  readonly boxes: Float32Array;
}

/** Share of a patch that a box must cover for the patch to belong to its object. */
const COVERED = 0.3;

/**
 * The object of each patch: the one whose box covers most of it, of equals the one on top, if that is 30 % of the patch.
 * @param patches patches along each side; P is its square
 */
export function patchTruth(scene: Pick<Scene, 'objects'>, patches: number): PatchTruth {
  const classes = new Uint8Array(patches * patches);
  const boxes = new Float32Array(patches * patches * 4);
  for (let row = 0, patch = 0; row < patches; row++) {
    for (let column = 0; column < patches; column++, patch++) {
      let most = COVERED;
      for (const { kind, box } of scene.objects) {
        const width = overlap(box[0] * patches, box[2] * patches, column);
        const share = width * overlap(box[1] * patches, box[3] * patches, row);
        // A hair of tolerance, so that a share of exactly 30 % does not depend on rounding.
        if (share < most - 1e-9) continue;
        most = share;
        classes[patch] = kind + 1;
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
