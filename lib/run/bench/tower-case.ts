/** What `tristage bench memory` measures of the stage that trains the vision tower alone: towers of several sizes. */
import type { VisionConfig } from '../../model/config.ts';
import { gridSide } from '../../model/config.ts';
import { preset } from '../../model/presets.ts';
import type { PatchBatch } from '../../train/vision-step.ts';

/** An update: passes of so many images. */
export interface TowerCase {
  name: string;
  tower: VisionConfig;
  images: number;
  passes: number;
}

/** Kinds of object, background not counted. */
export const CASE_KINDS = 8;

/** The sizes of configs/quickstart/vision.yaml. */
const QUICKSTART: VisionConfig = {
  ...{ imageSize: 112, patch: 14, width: 128, depth: 4, heads: 4, mlpHidden: 512 },
  ...{ eps: 1e-6, lnEps: 1e-5 },
};

/** The quickstart's tower at its micro-batch and at a larger one, and the tower of the preset `smol`, whole and in passes. */
export const TOWER_CASES: readonly TowerCase[] = [
  { name: 'tower-quickstart', tower: QUICKSTART, images: 16, passes: 1 },
  { name: 'tower-many', tower: QUICKSTART, images: 128, passes: 1 },
  { name: 'tower-smol', tower: preset('smol').vision, images: 4, passes: 1 },
  { name: 'tower-passes', tower: preset('smol').vision, images: 2, passes: 2 },
];

/** A pass of a case: made-up pixels, and a kind and a box for each patch. */
export function imagesOf({ tower, images }: TowerCase): PatchBatch {
  const patches = images * gridSide(tower) ** 2;
  return {
    pixels: new Uint8Array(images * 3 * tower.imageSize ** 2).map((_, i) => i % 251),
    classes: new Uint8Array(patches).map((_, i) => i % (CASE_KINDS + 1)),
    boxes: new Float32Array(4 * patches).map((_, i) => (i % 9) / 9),
  };
}
