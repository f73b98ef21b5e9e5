/** [grounding]: F1 of phrases with boxes; a hit needs the class of the phrase and the box. */

import type { SceneObject } from '../../data/sample.ts';
import { boxesAgree, IOU_THRESHOLD } from './box-accuracy.ts';
import { f1OfAnswers, type MatchOptions, type MatchRequest, matchOneToOne, type ObjectsItem } from './detection.ts';
import type { Estimate, MatchCounts } from './interval.ts';
import { classOfPhrase } from './names.ts';

/**
 * F1 of the grounded phrases of the answers.
 * @param options names of the data set, which give phrases their class; without them they must agree as a whole
 */
export function groundingF1(items: readonly ObjectsItem[], options?: MatchOptions): Estimate {
  return f1OfAnswers(items, groundingCounts, options);
}

/** The counts of one [grounding] answer. */
export function groundingCounts(request: MatchRequest): MatchCounts {
  const { predicted, objects, forms, threshold = IOU_THRESHOLD } = request;
  const withClass = ({ name, box }: SceneObject): SceneObject => ({ name: classOfPhrase(name, forms), box });
  return matchOneToOne(
    { predicted: predicted.map(withClass), truth: objects.map(withClass) },
    (one, other) => one.name === other.name && boxesAgree(one.box, other.box, threshold),
  );
}
