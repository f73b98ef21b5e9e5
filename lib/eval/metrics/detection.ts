/** [detection]: F1 of boxes, each predicted box matched to at most one true box. */

import type { SceneObject } from '../../data/sample.ts';
import { type NamedBox, namedBoxesOfAnswer } from '../parse-answer.ts';
import { boxesAgree, IOU_THRESHOLD } from './box-accuracy.ts';
import { type Estimate, f1Estimate, type MatchCounts } from './interval.ts';
import { classOfPhrase, type NameForms, nameForms } from './names.ts';

/** A question whose right answer is a list of objects. */
export interface ObjectsItem {
  readonly objects: readonly SceneObject[];
  readonly answer: string;
}

/** Settings of the metrics that match boxes. */
export interface MatchOptions {
  threshold?: number;
  /** Names of the data set, which give phrases their class. */
  names?: readonly string[];
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
 * phrase must be an object of that class.
 */
export function detectionF1(items: readonly ObjectsItem[], options?: MatchOptions): Estimate {
  return f1OfAnswers(items, detectionCounts, options);
}

/** The boxes of one answer beside the true ones. */
export interface MatchRequest {
  predicted: readonly NamedBox[];
  objects: readonly SceneObject[];
  forms: NameForms;
  threshold?: number;
}

/** F1 of all answers by the counts of each. */
export function f1OfAnswers(
  items: readonly ObjectsItem[],
  countsOf: (request: MatchRequest) => MatchCounts,
  { names = [], threshold = IOU_THRESHOLD, seed = 0 }: MatchOptions = {},
): Estimate {
  const forms = nameForms(names);
  const counts = items.map(({ objects, answer }) =>
    countsOf({ predicted: namedBoxesOfAnswer(answer), objects, forms, threshold }),
  );
  return f1Estimate(counts, seed);
}

/** The counts of one [detection] answer. */
export function detectionCounts(request: MatchRequest): MatchCounts {
  const { predicted, objects, forms, threshold = IOU_THRESHOLD } = request;
  const withClass = ({ name, box }: SceneObject): SceneObject => ({
    name: name === '' ? '' : classOfPhrase(name, forms),
    box,
  });
  return matchOneToOne(
    { predicted: predicted.map(withClass), truth: objects.map(withClass) },
    (one, other) => (one.name === '' || one.name === other.name) && boxesAgree(one.box, other.box, threshold),
  );
}
