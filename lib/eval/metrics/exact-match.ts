/** Answers that are right or wrong as a whole: [identify], [vqa], and captions word for word. */

import { normaliseAnswer } from '../parse-answer.ts';
import { bootstrap, type Estimate, wilson } from './interval.ts';

/** A question whose right answer is one text. */
export interface TextItem {
  readonly reference: string;
  readonly answer: string;
}

/** The same with the kind of the question. */
export interface TypedTextItem extends TextItem {
  readonly type: string;
}

/** Whether an answer equals the reference, case, articles in front, punctuation at the ends and number words aside. */
export function isExactMatch({ reference, answer }: TextItem): boolean {
  return normaliseAnswer(answer) === normaliseAnswer(reference);
}

/** Share of answers that equal their reference. */
export function exactMatch(items: readonly TextItem[]): Estimate {
  return wilson(items.filter(isExactMatch).length, items.length);
}

/**
 * Accuracy for each type of question, and the mean over the types, in which each type weighs the same however many questions it has.
 */
export function accuracyByType(
  items: readonly TypedTextItem[],
  { seed = 0 }: { seed?: number } = {},
): { mean: Estimate; types: Record<string, Estimate> } {
  const groups = groupByType(items);
  const right = groups.map(([, members]) => members.map(isExactMatch));
  const statistic = (draws: readonly Int32Array[]): number => {
    let sum = 0;
    for (const [group, drawn] of draws.entries()) {
      let hits = 0;
      for (const place of drawn) if (right[group]?.[place]) hits += 1;
      sum += hits / drawn.length;
    }
    return sum / draws.length;
  };
  return {
    mean: bootstrap({ sizes: right.map(({ length }) => length), statistic, seed }),
    types: Object.fromEntries(groups.map(([type, members]) => [type, exactMatch(members)])),
  };
}

/** Items under their types, types in alphabetical order. */
export function groupByType<Item extends { readonly type: string }>(items: readonly Item[]): [string, Item[]][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(item.type);
    if (group === undefined) groups.set(item.type, [item]);
    else group.push(item);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}
