/** [caption]: F1 of the objects that a caption mentions, an object that occurs twice counting twice. */

import { normalisePhrase, plainTextOfAnswer } from '../parse-answer.ts';
import { type Estimate, f1Estimate, type MatchCounts } from './interval.ts';
import { type NameForm, type NameForms, nameForms } from './names.ts';

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
interface Mention extends NameForm {
  start: number;
  end: number;
}

/**
 * The objects that a text mentions. `a dog and two stars` holds a dog and two stars; `dogs` without a number counts two; `the dog`
 * counts only where no dog was mentioned before.
 * @param forms what to look for; longer forms win over forms inside them
 */
export function objectsOfText(text: string, forms: NameForms): Map<string, number> {
  const words =
    plainTextOfAnswer(text)
      .toLowerCase()
      .match(/[a-z0-9'-]+|[.,;:!?]/g) ?? [];
  const counts = new Map<string, number>();
  let free = 0;
  for (const { name, start, end, plural } of findMentions(words, forms)) {
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
  const forms = nameForms(names);
  return f1Estimate(
    items.map((item) => compareCounts(objectsOfText(item.answer, forms), countNames(item.names))),
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

function findMentions(words: readonly string[], forms: NameForms): Mention[] {
  const longest = Math.max(0, ...[...forms.keys()].map((form) => form.split(' ').length));
  const mentions: Mention[] = [];
  for (let start = 0; start < words.length; ) {
    let length = Math.min(longest, words.length - start);
    let found: NameForm | undefined;
    for (; length > 0 && found === undefined; length--) found = forms.get(words.slice(start, start + length).join(' '));
    const end = start + Math.max(1, length + 1);
    if (found !== undefined) mentions.push({ ...found, start, end });
    start = found === undefined ? start + 1 : end;
  }
  return mentions;
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
