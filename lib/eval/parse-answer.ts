/**
 * What a model's answer says. Generated text is untidy: spaces inside braces, a missing brace at the end, left-over special
 * tokens. Reading forgives that much and no more, the same way every time; what stays unreadable counts as not answered.
 */

import { BOX_DELIMITER, type Box, boxOf } from '../data/boxes.ts';

/** A box of an answer with the phrase that it belongs to. */
export interface NamedBox {
  /** Normalised phrase; empty where the box stands alone. */
  readonly name: string;
  readonly box: Box;
}

/** A phrase of an answer with its boxes; the phrase is as written. */
export interface AnswerPhrase {
  readonly phrase: string;
  readonly boxes: readonly Box[];
}

const SPECIAL = /<unk>|<\/?s>/g;
const NUMBER = String.raw`<\s*(\d{1,3})\s*>`;
/** Four numbers in angle brackets; braces may be missing on either side. */
const BOX = String.raw`(?:\{\s*)?${Array(4).fill(NUMBER).join(String.raw`\s*`)}(?:\s*\})?`;
const ANY_BOX = new RegExp(BOX, 'g');
const DELIMITERS: ReadonlySet<string> = new Set(['', ',', BOX_DELIMITER]);
const END_PUNCTUATION: ReadonlySet<string> = new Set(' .,!?;:"\'');
const ARTICLE = /^(?:an?|the)\s+(?=\S)/;
const NUMBER_WORDS: ReadonlyMap<string, string> = new Map(
  ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'].map((word, value) => [
    word,
    String(value),
  ]),
);

interface FoundBox {
  box: Box;
  start: number;
  end: number;
}

/** All readable boxes of an answer, in order, corners as they stand: a box whose corners are swapped is a wrong box, not a missing one. */
export function boxesOfAnswer(answer: string): Box[] {
  return findBoxes(answer.replace(SPECIAL, '')).map(({ box }) => box);
}

/** The first readable box of an answer, the one that a [refer] answer is judged by. */
export function firstBoxOfAnswer(answer: string): Box | undefined {
  return boxesOfAnswer(answer)[0];
}

/**
 * Phrases and boxes of an answer in order. `<p>phrase</p>` owns the boxes that follow it directly, joined by `<delim>`, a comma or
 * nothing; the closing `</p>` may be missing before a box. Boxes elsewhere come under an empty phrase, phrases without boxes not at all.
 */
export function phrasesOfAnswer(answer: string): AnswerPhrase[] {
  const text = answer.replace(SPECIAL, '');
  const items: AnswerPhrase[] = [];
  for (const [place, part] of text.split('<p>').entries()) {
    const found = findBoxes(part);
    const first = found[0];
    if (first === undefined) continue;
    const before = part.slice(0, first.start).trim();
    const named = before.endsWith('</p>') ? before.slice(0, -'</p>'.length).trim() : before;
    // Text behind the closing tag separates the phrase from its boxes; before the first `<p>` there is no phrase.
    const phrase = place === 0 || named.includes('</p>') ? '' : named;
    const run = phrase === '' ? 0 : runLength(part, found);
    if (run > 0) items.push({ phrase, boxes: found.slice(0, run).map(({ box }) => box) });
    if (run < found.length) items.push({ phrase: '', boxes: found.slice(run).map(({ box }) => box) });
  }
  return items;
}

/** The boxes of an answer, each with the normalised phrase that it stands under. */
export function namedBoxesOfAnswer(answer: string): NamedBox[] {
  return phrasesOfAnswer(answer).flatMap(({ phrase, boxes }) =>
    boxes.map((box) => ({ name: normalisePhrase(phrase), box })),
  );
}

/** The words of an answer without boxes and tags: what is left is the caption. */
export function plainTextOfAnswer(answer: string): string {
  const text = answer.replace(SPECIAL, '').replace(ANY_BOX, ' ').replaceAll(BOX_DELIMITER, ' ');
  return text
    .replace(/<\/?p>/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ([.,!?;])/g, '$1')
    .trim();
}

/** The form in which two phrases are compared: lower case, single spaces, no article in front, no punctuation at the ends. */
export function normalisePhrase(phrase: string): string {
  const text = phrase.replace(SPECIAL, '').toLowerCase().replace(/\s+/g, ' ');
  let start = 0;
  let end = text.length;
  while (start < end && END_PUNCTUATION.has(text[start] as string)) start += 1;
  while (end > start && END_PUNCTUATION.has(text[end - 1] as string)) end -= 1;
  return text.slice(start, end).replace(ARTICLE, '');
}

/** The form in which two short answers are compared: a normalised phrase, or digits for the words zero to ten. */
export function normaliseAnswer(answer: string): string {
  const text = normalisePhrase(answer);
  return NUMBER_WORDS.get(text) ?? text;
}

function findBoxes(text: string): FoundBox[] {
  const found: FoundBox[] = [];
  for (const match of text.matchAll(ANY_BOX)) {
    const box = boxOf(match);
    if (box !== undefined) found.push({ box, start: match.index, end: match.index + match[0].length });
  }
  return found;
}

/** How many of the boxes follow each other with nothing but delimiters between. */
function runLength(text: string, found: readonly FoundBox[]): number {
  let length = 1;
  while (length < found.length) {
    const between = text.slice((found[length - 1] as FoundBox).end, (found[length] as FoundBox).start);
    if (!DELIMITERS.has(between.trim())) break;
    length += 1;
  }
  return length;
}
