/** [detection]: F1 of boxes, each predicted box matched to at most one true box. */

import type { SceneObject } from '../../data/sample.ts';
import { type NamedBox, namedBoxesOfAnswer, normalisePhrase } from '../parse-answer.ts';
import { boxesAgree, IOU_THRESHOLD } from './box-accuracy.ts';
import { type Estimate, f1Estimate, type MatchCounts } from './interval.ts';

/** A question whose right answer is a list of objects. */
export interface ObjectsItem {
  readonly objects: readonly SceneObject[];
  readonly answer: string;
}

/** Settings of the metrics that match boxes. */
export interface MatchOptions {
  threshold?: number;
  /** Seed of the bootstrap. */
  seed?: number;
}

/**
 * The counts of the best one-to-one matching: as many pairs as can stand side by side, found by augmenting paths (Berge 1957), so
 * that the order in which boxes are written does not matter.
 * @param fits whether a predicted and a true object may form a pair
 */
export function matchOneToOne<Predicted, True>(
  { predicted, truth }: { predicted: readonly Predicted[]; truth: readonly True[] },
  fits: (predicted: Predicted, truth: True) => boolean,
): MatchCounts {
  const partners = predicted.map((one) => truth.flatMap((other, place) => (fits(one, other) ? [place] : [])));
  const takenBy = new Int32Array(truth.length).fill(-1);
  const findPartner = (one: number, tried: Set<number>): boolean => {
    for (const place of partners[one] as number[]) {
      if (tried.has(place)) continue;
      tried.add(place);
      const rival = takenBy[place] as number;
      if (rival < 0 || findPartner(rival, tried)) {
        takenBy[place] = one;
        return true;
      }
    }
    return false;
  };
  const hits = partners.filter((_, one) => findPartner(one, new Set())).length;
  return { hits, extra: predicted.length - hits, missed: truth.length - hits };
}

/**
 * F1 of the boxes of the answers. A box without phrase may be any of the objects, since the question named them; a box under a
 * phrase must be an object of that name.
 */
export function detectionF1(items: readonly ObjectsItem[], options: MatchOptions = {}): Estimate {
  const { threshold = IOU_THRESHOLD, seed = 0 } = options;
  return f1Estimate(
    items.map(({ objects, answer }) => detectionCounts(namedBoxesOfAnswer(answer), objects, threshold)),
    seed,
  );
}

/** The counts of one [detection] answer. */
export function detectionCounts(
  predicted: readonly NamedBox[],
  objects: readonly SceneObject[],
  threshold = IOU_THRESHOLD,
): MatchCounts {
  const truth = objects.map(({ name, box }) => ({ name: normalisePhrase(name), box }));
  return matchOneToOne(
    { predicted, truth },
    (one, other) => (one.name === '' || one.name === other.name) && boxesAgree(one.box, other.box, threshold),
  );
}
