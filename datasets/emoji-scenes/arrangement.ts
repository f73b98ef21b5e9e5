/**
 * Which objects stand where. Every possible arrangement belongs to one split by what it is, whatever the seed, so a held-out
 * scene cannot share its arrangement with any training scene of any run.
 */

import { TristageError } from '../../lib/core/errors.ts';
import { keyOfText, randomStream } from '../../lib/core/rng.ts';
import type { Art } from './art.ts';

export type Split = 'train' | 'heldout';

/** What decides a scene besides the art. */
export interface SceneOptions {
  readonly seed: number;
  readonly split: Split;
  /** Side of the square image in pixels. */
  readonly imageSize: number;
  readonly minObjects: number;
  readonly maxObjects: number;
  /** Over this many scenes at the start the largest number of objects grows from minObjects to maxObjects. */
  readonly easyFirst: number;
  /** Share of scenes with two objects or more in which two are of one kind. */
  readonly repeat: number;
}

/** One object of an arrangement, in pixels. */
export interface Placed {
  /** Index into the kinds of the art. */
  readonly kind: number;
  /** Long side of its stamp. */
  readonly side: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Cells along each side in which two objects of one kind count as standing at the same place. */
const CELLS = 8;
/** One arrangement of so many is held out. */
const HELD_OUT_ONE_IN = 8;
/** Most of the smaller of two objects that may be covered by the other's rectangle. */
const OVERLAP = 0.05;
/** Places that are tried for an object before the scene is drawn anew. */
const PLACES = 24;
/** Drawings of a scene before its options are taken for impossible; the rarer split needs 8 on average. */
const ATTEMPTS = 2000;

/** Keys of random streams that keep their uses apart. */
export const USE = { arrangement: 1, look: 2, question: 3, noise: 4 } as const;
const SPLIT_KEY = { train: 0, heldout: 1 } as const;

/** The random numbers of a scene for one use. */
export function sceneStream({ seed, split }: Pick<SceneOptions, 'seed' | 'split'>, index: number, use: number) {
  return randomStream(keyOfText('emoji-scenes'), seed, SPLIT_KEY[split], index, use);
}

/** Largest number of objects of scene `index`. */
export function objectLimit(options: SceneOptions, index: number): number {
  const { minObjects, maxObjects, easyFirst } = options;
  if (index >= easyFirst) return maxObjects;
  return minObjects + Math.floor(((maxObjects - minObjects + 1) * index) / easyFirst);
}

/**
 * The arrangement of scene `index`, a pure function of the options and the art's sizes.
 * @throws TristageError E_SCENE when objects of this size do not fit
 */
export function arrange(art: Art, options: SceneOptions, index: number): Placed[] {
  const stream = sceneStream(options, index, USE.arrangement);
  // Drawn once: crowded scenes, which are drawn anew more often, must not become rare.
  const count = options.minObjects + stream.integer(0, objectLimit(options, index) - options.minObjects + 1);
  const repeats = stream.uniform(1) < options.repeat;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const random = stream.child(attempt);
    let draws = 0;
    const pick = (bound: number): number => random.integer(draws++, bound);
    const kinds = drawKinds(art, { count, repeats, pick });
    const placed = placeAll(art, { kinds, imageSize: options.imageSize, pick });
    if (placed === undefined) continue;
    if (splitOfArrangement(cellsOf(placed, art, options.imageSize)) === options.split) return placed;
  }
  throw new TristageError({
    kind: 'config',
    code: 'E_SCENE',
    message: 'the objects of a scene find no place',
    where: `emoji-scenes, scene ${index}`,
    found: `up to ${options.maxObjects} objects of ${art.minSide} to ${art.maxSide} pixels in ${options.imageSize} x ${options.imageSize}`,
    expected: 'fewer or smaller objects',
    fix: 'lower maxObjects or maxSide, or raise imageSize',
  });
}

interface Drawing {
  count: number;
  /** Whether the second object is of the same kind as the first. */
  repeats: boolean;
  pick(bound: number): number;
}

/** Different kinds, but for the one that repeats. */
function drawKinds(art: Art, { count, repeats, pick }: Drawing): number[] {
  const left = art.kinds.map((_, kind) => kind);
  const kinds: number[] = [];
  while (kinds.length < count) {
    if (repeats && kinds.length === 1) kinds.push(kinds[0] as number);
    else kinds.push(...left.splice(pick(left.length), 1));
  }
  return kinds;
}

interface Placing {
  kinds: readonly number[];
  imageSize: number;
  pick(bound: number): number;
}

function placeAll(art: Art, { kinds, imageSize, pick }: Placing): Placed[] | undefined {
  const placed: Placed[] = [];
  for (const kind of kinds) {
    const found = placeOne(art, { kind, imageSize, pick, others: placed });
    if (found === undefined) return undefined;
    placed.push(found);
  }
  return placed;
}

function placeOne(
  art: Art,
  { kind, imageSize, pick, others }: Omit<Placing, 'kinds'> & { kind: number; others: readonly Placed[] },
): Placed | undefined {
  const side = art.minSide + pick(art.maxSide - art.minSide + 1);
  const { width, height } = art.stamp(kind, side);
  for (let place = 0; place < PLACES; place++) {
    const one = { kind, side, width, height, left: pick(imageSize - width + 1), top: pick(imageSize - height + 1) };
    if (others.every((other) => coveredShare(one, other) <= OVERLAP)) return one;
  }
  return undefined;
}

/** Intersection of two rectangles over the area of the smaller. */
export function coveredShare(a: Placed, b: Placed): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / Math.min(a.width * a.height, b.width * b.height);
}

/** Where the centre of an object lies, in cells of an 8 x 8 grid. */
export interface CellOfObject {
  readonly name: string;
  readonly column: number;
  readonly row: number;
}

/**
 * What makes an arrangement: kinds and cells. Size, flip, brightness and background are no part of it, so scenes that differ in
 * those alone fall into one split.
 */
export function cellsOf(placed: readonly Placed[], art: Pick<Art, 'kinds'>, imageSize: number): CellOfObject[] {
  const cell = (centre: number): number => Math.min(CELLS - 1, Math.floor((centre * CELLS) / imageSize));
  return placed.map(({ kind, left, top, width, height }) => ({
    name: art.kinds[kind]?.name ?? '',
    column: cell(left + width / 2),
    row: cell(top + height / 2),
  }));
}

/**
 * The split to which an arrangement belongs, whatever the order of its objects. A sum over the objects, not a hash of them all:
 * so the held-out cells of every kind lie evenly over the image.
 */
export function splitOfArrangement(cells: readonly CellOfObject[]): Split {
  const sum = cells.reduce((total, { name, column, row }) => total + keyOfText(name) + column + 3 * row, 0);
  return sum % HELD_OUT_ONE_IN === 0 ? 'heldout' : 'train';
}
