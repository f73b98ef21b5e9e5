/** [caption]: F1 of the objects that a caption mentions, an object that occurs twice counting twice. */

import { normalisePhrase, plainTextOfAnswer } from '../parse-answer.ts';
import { type Estimate, f1Estimate, type MatchCounts } from './interval.ts';

/** A caption of an image whose objects are known. */
export interface CaptionItem {
  /** Names of the image's objects, repeated as often as they occur. */
  readonly names: readonly string[];
  readonly answer: string;
}

/** How often each name occurs. */
export type NameCounts = ReadonlyMap<string, number>;

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'].map(
    (word, place): [string, number] => [word, place + 1],
  ),
  ['a', 1],
  ['an', 1],
  ['another', 1],
  ['no', 0],
] as [string, number][]);
/** They point at an object that the caption may have named before. */
const DEFINITE: ReadonlySet<string> = new Set(['the', 'this', 'that', 'these', 'those', 'its', 'both']);
/** What stands between two noun phrases. */
const JOINING = /^(?:[.,;:!?]|and|or|of|with|on|in|by|near)$/;
/** How many words before a noun may belong to it, as in `the two big red apples`. */
const REACH = 4;
/** What `dogs` without a number counts as. */
const PLURAL = 2;

/** One mention of a name in a text. */
interface Mention {
  name: string;
  start: number;
  end: number;
  plural: boolean;
}

/**
 * The objects that a text mentions. `a dog and two stars` holds a dog and two stars; `dogs` without a number counts two; `the dog`
 * counts only where no dog was mentioned before.
 * @param names the names to look for, in any case; longer ones win over names inside them
 */
export function objectsOfText(text: string, names: readonly string[]): Map<string, number> {
  const words =
    plainTextOfAnswer(text)
      .toLowerCase()
      .match(/[a-z0-9'-]+|[.,;:!?]/g) ?? [];
  const counts = new Map<string, number>();
  let free = 0;
  for (const { name, start, end, plural } of findMentions(words, names)) {
    const { number = plural ? PLURAL : 1, definite } = countBefore(words.slice(Math.max(free, start - REACH), start));
    const before = counts.get(name) ?? 0;
    counts.set(name, definite ? Math.max(before, number) : before + number);
    free = end;
  }
  return new Map([...counts].filter(([, count]) => count > 0));
}

/** F1 of the mentioned objects against the objects of the image. */
export function captionObjectF1(
  items: readonly CaptionItem[],
  { names, seed = 0 }: { names: readonly string[]; seed?: number },
): Estimate {
  return f1Estimate(
    items.map((item) => compareCounts(objectsOfText(item.answer, names), countNames(item.names))),
    seed,
  );
}

/** How often each name occurs in a list. */
export function countNames(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names.map(normalisePhrase)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Hits, extras and misses of one multiset of names against another. */
export function compareCounts(said: NameCounts, truth: NameCounts): MatchCounts {
  const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);
  const hits = sum([...said].map(([name, count]) => Math.min(count, truth.get(name) ?? 0)));
  return { hits, extra: sum(said.values()) - hits, missed: sum(truth.values()) - hits };
}

function findMentions(words: readonly string[], names: readonly string[]): Mention[] {
  const forms = new Map<string, { name: string; plural: boolean }>();
  const singular = [...new Set(names.map(normalisePhrase))];
  for (const name of singular) for (const form of pluralForms(name)) forms.set(form, { name, plural: true });
  // Last, so that a name that looks like a plural of another is itself; where both forms are equal (fish), it counts as one.
  for (const name of singular) forms.set(name, { name, plural: false });
  const longest = Math.max(0, ...[...forms.keys()].map((form) => form.split(' ').length));
  const mentions: Mention[] = [];
  for (let start = 0; start < words.length; ) {
    let length = Math.min(longest, words.length - start);
    while (length > 0 && !forms.has(words.slice(start, start + length).join(' '))) length -= 1;
    const found = forms.get(words.slice(start, start + length).join(' '));
    if (found !== undefined) mentions.push({ ...found, start, end: start + length });
    start += Math.max(1, length);
  }
  return mentions;
}

/** Regular English plurals of a name's last word; forms that no text holds do no harm. */
function pluralForms(name: string): string[] {
  const forms = [`${name}s`, `${name}es`];
  if (/[^aeiou]y$/.test(name)) forms.push(`${name.slice(0, -1)}ies`);
  if (/fe?$/.test(name)) forms.push(`${name.replace(/fe?$/, '')}ves`);
  return forms;
}

/** How many a noun phrase speaks of, from the words before the noun, nearest first; punctuation and joining words end the search. */
function countBefore(words: readonly string[]): { number?: number; definite: boolean } {
  let number: number | undefined;
  for (const word of [...words].reverse()) {
    if (DEFINITE.has(word)) return number === undefined ? { definite: true } : { number, definite: true };
    if (number !== undefined || JOINING.test(word)) break;
    number = NUMBERS.get(word) ?? (/^\d{1,3}$/.test(word) ? Number(word) : undefined);
  }
  return number === undefined ? { definite: false } : { number, definite: false };
}
