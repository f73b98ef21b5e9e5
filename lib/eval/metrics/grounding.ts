/** [grounding]: F1 of phrases with boxes; a hit needs the class of the phrase and the box. */

import type { SceneObject } from '../../data/sample.ts';
import { type NamedBox, namedBoxesOfAnswer } from '../parse-answer.ts';
import { boxesAgree, IOU_THRESHOLD } from './box-accuracy.ts';
import { type MatchOptions, matchOneToOne, type ObjectsItem } from './detection.ts';
import { type Estimate, f1Estimate, type MatchCounts } from './interval.ts';
import { classOfPhrase, type NameForms, nameForms } from './names.ts';

/**
 * F1 of the grounded phrases of the answers.
 * @param options names of the data set, which give phrases their class; without them they must agree as a whole
 */
export function groundingF1(
  items: readonly ObjectsItem[],
  { names = [], threshold = IOU_THRESHOLD, seed = 0 }: MatchOptions = {},
): Estimate {
  const forms = nameForms(names);
  const counts = items.map(({ objects, answer }) =>
    groundingCounts({ predicted: namedBoxesOfAnswer(answer), objects, forms, threshold }),
  );
  return f1Estimate(counts, seed);
}

/** The counts of one [grounding] answer. */
export function groundingCounts(request: {
  predicted: readonly NamedBox[];
  objects: readonly SceneObject[];
  forms: NameForms;
  threshold?: number;
}): MatchCounts {
  const { predicted, objects, forms, threshold = IOU_THRESHOLD } = request;
  const withClass = ({ name, box }: SceneObject): SceneObject => ({ name: classOfPhrase(name, forms), box });
  return matchOneToOne(
    { predicted: predicted.map(withClass), truth: objects.map(withClass) },
    (one, other) => one.name === other.name && boxesAgree(one.box, other.box, threshold),
  );
}
