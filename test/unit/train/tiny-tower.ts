/** A vision tower small enough for finite differences, and images with made-up truth for it. */
import type { VisionConfig } from '../../../lib/model/config.ts';
import { createPatchModel, type PatchModel } from '../../../lib/train/vision-model.ts';
import type { PatchBatch } from '../../../lib/train/vision-step.ts';
import { normals } from '../../support/tensors.ts';

export const TOWER: VisionConfig = {
  imageSize: 16,
  patch: 4,
  width: 8,
  depth: 2,
  heads: 2,
  mlpHidden: 12,
  eps: 1e-6,
  lnEps: 1e-5,
};
export const KINDS = 3;
export const PATCHES = 16;

export function tinyTower(start: 'eva' | 'narrow' = 'narrow', seed = 7): PatchModel {
  return createPatchModel({ config: TOWER, kinds: KINDS, seed, start });
}

/**
 * Images whose patches are of one colour each, by what they show; the box of an object is its patch.
 * @param noise deviation of the colours, of 255
 */
export function tinyScenes(images: number, { seed, noise = 8 }: { seed: number; noise?: number }): PatchBatch {
  const next = normals(seed);
  const side = TOWER.imageSize;
  const classes = Uint8Array.from(
    { length: images * PATCHES },
    () => Math.abs(Math.floor(next() * 1000)) % (KINDS + 1),
  );
  const boxes = new Float32Array(classes.length * 4);
  const pixels = new Uint8Array(images * side * side * 3);
  classes.forEach((kind, at) => {
    const [row, column] = [Math.floor((at % PATCHES) / 4), at % 4];
    if (kind > 0) boxes.set([column / 4, row / 4, (column + 1) / 4, (row + 1) / 4], at * 4);
    const image = Math.floor(at / PATCHES);
    for (let y = row * 4; y < row * 4 + 4; y++) {
      for (let x = column * 4; x < column * 4 + 4; x++) {
        const colour = [0, 1, 2].map((channel) => (kind === channel + 1 ? 220 : 60) + noise * next());
        pixels.set(
          colour.map((value) => Math.min(255, Math.max(0, Math.round(value)))),
          ((image * side + y) * side + x) * 3,
        );
      }
    }
  });
  return { pixels, classes, boxes };
}

/** Images `from` to `to - 1` of a batch. */
export function someScenes({ pixels, classes, boxes }: PatchBatch, from: number, to: number): PatchBatch {
  const size = TOWER.imageSize ** 2 * 3;
  return {
    pixels: pixels.slice(from * size, to * size),
    classes: classes.slice(from * PATCHES, to * PATCHES),
    boxes: boxes.slice(from * PATCHES * 4, to * PATCHES * 4),
  };
}
