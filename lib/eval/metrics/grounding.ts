/** [grounding]: F1 of phrases with boxes; a hit needs the class of the phrase and the box. */

import type { SceneObject } from '../../data/sample.ts';
import { type NamedBox, namedBoxesOfAnswer, normalisePhrase } from '../parse-answer.ts';
import { boxesAgree, IOU_THRESHOLD } from './box-accuracy.ts';
import { type MatchOptions, matchOneToOne, type ObjectsItem } from './detection.ts';
import { type Estimate, f1Estimate, type MatchCounts } from './interval.ts';

/**
 * The class that a phrase speaks of: the known name of most words in it, the last one among equals, since English puts the head of
 * a noun phrase last. A phrase without a known name is its own class.
 * @param phrase such as `the big red apple`
 * @param names normalised class names such as `apple`
 */
export function classOfPhrase(phrase: string, names: ReadonlySet<string>): string {
  const whole = normalisePhrase(phrase);
  const words = whole.split(' ');
  for (let length = words.length; length > 0; length--) {
    for (let start = words.length - length; start >= 0; start--) {
      const part = words.slice(start, start + length).join(' ');
      if (names.has(part)) return part;
    }
  }
  return whole;
}

/**
 * F1 of the grounded phrases of the answers.
 * @param names class names of the data set; without them phrases must agree as a whole
 */
export function groundingF1(
  items: readonly ObjectsItem[],
  { names = [], threshold = IOU_THRESHOLD, seed = 0 }: MatchOptions & { names?: readonly string[] } = {},
): Estimate {
  const known = new Set(names.map(normalisePhrase));
  const counts = items.map(({ objects, answer }) =>
    groundingCounts({ predicted: namedBoxesOfAnswer(answer), objects, known, threshold }),
  );
  return f1Estimate(counts, seed);
}

/** The counts of one [grounding] answer; `known` are normalised class names. */
export function groundingCounts(request: {
  predicted: readonly NamedBox[];
  objects: readonly SceneObject[];
  known: ReadonlySet<string>;
  threshold?: number;
}): MatchCounts {
  const { predicted, objects, known, threshold = IOU_THRESHOLD } = request;
  const withClass = ({ name, box }: SceneObject): SceneObject => ({ name: classOfPhrase(name, known), box });
  return matchOneToOne(
    { predicted: predicted.map(withClass), truth: objects.map(withClass) },
    (one, other) => one.name === other.name && boxesAgree(one.box, other.box, threshold),
  );
}
