/** Helpers of the emoji-scenes tests. */

import type { SceneOptions } from '../../../datasets/emoji-scenes/arrangement.ts';
import { type Art, loadArt, type Stamp } from '../../../datasets/emoji-scenes/art.ts';
import { DEFAULT_CLASSES, KINDS } from '../../../datasets/emoji-scenes/kinds.ts';

export const OPTIONS: SceneOptions = {
  seed: 0,
  split: 'train',
  imageSize: 112,
  minObjects: 1,
  maxObjects: 3,
  easyFirst: 0,
  repeat: 0.15,
};

export const realArt = (): Promise<Art> => loadArt({ classes: DEFAULT_CLASSES, minSide: 36, maxSide: 56 });

/** Full squares in place of icons: what depends on them alone is the same on every machine. */
export function squareArt(minSide = 36, maxSide = 56, classes = DEFAULT_CLASSES): Art {
  const kinds = classes.map((name) => KINDS.find((kind) => kind.name === name)!);
  const stamp = (_: number, side: number): Stamp => ({
    width: side,
    height: side,
    rgba: new Uint8Array(side * side * 4).fill(255),
  });
  return { kinds, minSide, maxSide, stamp };
}

/** The same shapes in one flat colour. */
export function paintedArt(art: Art, value: number): Art {
  const stamp = (kind: number, side: number): Stamp => {
    const { width, height, rgba } = art.stamp(kind, side);
    return { width, height, rgba: rgba.map((byte, place) => (place % 4 === 3 ? byte : value)) };
  };
  return { ...art, stamp };
}

/** A counter in place of random draws. */
export function counting(): (bound: number) => number {
  let draws = 0;
  return (bound) => draws++ % bound;
}
