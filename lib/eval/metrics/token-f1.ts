/** Overlap of words between two texts: for captions by people, which are seldom the same word for word. */

import { plainTextOfAnswer } from '../parse-answer.ts';
import { type Estimate, meanEstimate } from './interval.ts';

const ARTICLES: ReadonlySet<string> = new Set(['a', 'an', 'the']);

/**
 * F1 of the words of an answer against those of the reference, a word that stands twice counting twice; case, punctuation, boxes
 * and articles do not count. The measure of SQuAD (Rajpurkar et al. 2016).
 * @returns 0..1; two texts without words are equal
 */
export function tokenF1({ reference, answer }: { reference: string; answer: string }): number {
  const [right, said] = [wordsOf(reference), wordsOf(answer)];
  if (right.length === 0 || said.length === 0) return right.length === said.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of right) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of said) {
    const count = left.get(word) ?? 0;
    if (count > 0) shared += 1;
    left.set(word, count - 1);
  }
  return (2 * shared) / (right.length + said.length);
}

/** The mean over the questions. */
export function meanTokenF1(items: readonly { reference: string; answer: string }[], seed: number): Estimate {
  return meanEstimate(items.map(tokenF1), seed);
}

function wordsOf(text: string): string[] {
  const words = plainTextOfAnswer(text)
    .toLowerCase()
    .match(/[\p{L}\p{N}']+/gu);
  return (words ?? []).filter((word) => !ARTICLES.has(word));
}
