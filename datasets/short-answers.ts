/** Questions about images with short answers, of which people gave one or several. */

import { z } from 'zod';
import type { RowSample } from '../lib/data/row-source.ts';
import { drawInstruction, type Pick } from '../lib/data/task.ts';
import { ruledText, type TextRule, textRuleOption } from '../lib/data/text-rule.ts';

/**
 * Options that change only how a row is put into words. The original takes all punctuation out, which turns 10:15 into `10 15` and
 * 3.5 into `3 5`: answers that the official measures count as wrong. So numbers, times and dotted names are kept by default.
 */
export const answerWording = {
  text: textRuleOption('questions and answers', 'keep-numbers'),
  answers: z
    .enum(['drawn', 'most-common'])
    .default('drawn')
    .describe(
      'Which of several answers is trained on: one drawn at each access, as often as people gave it, or always the most common.',
    ),
};

/** A question with its answers. */
export interface ShortAnswered {
  question: string;
  /** Different answers and how many people gave each, the most common first. */
  answers: readonly (readonly [answer: string, count: number])[];
  /** Kind of question, where the source has kinds. */
  type?: string;
}

/**
 * Equal answers joined, the most common first; of equally common ones the earlier, unless one is the publisher's choice.
 * @param given one for each person; empty ones are left out
 * @param chosen what the publisher takes for the most common
 */
export function countAnswers(given: readonly string[], chosen?: string): ShortAnswered['answers'] {
  const counts = new Map<string, number>();
  for (const answer of given) if (answer.trim() !== '') counts.set(answer, (counts.get(answer) ?? 0) + 1);
  const rank = ([answer, count]: readonly [string, number]): number => count + (answer === chosen ? 0.5 : 0);
  return [...counts].sort((one, other) => rank(other) - rank(one));
}

export interface AnswerContext {
  options: { text: TextRule; answers: 'drawn' | 'most-common' };
  pick: Pick;
}

/** One question with one answer. The first draw of all, which evaluation makes, is the most common answer. */
export function answerSample({ question, answers, type }: ShortAnswered, { options, pick }: AnswerContext): RowSample {
  const asked = ruledText(question, options.text);
  const usable = answers
    .map(([answer, count]) => ({ answer: ruledText(answer, options.text), count }))
    .filter(({ answer }) => answer !== '');
  const drawn = options.answers === 'drawn' ? drawnOf(usable, pick) : usable[0]?.answer;
  const turn = { question: asked === '' ? '' : drawInstruction('vqa', asked, pick), answer: drawn ?? '' };
  const given = answers.flatMap(([answer, count]) => Array<string>(count).fill(answer));
  return {
    turns: [turn],
    truth: { ...(type === undefined ? {} : { questionType: type }), ...(given.length > 1 ? { answers: given } : {}) },
  };
}

function drawnOf(usable: readonly { answer: string; count: number }[], pick: Pick): string | undefined {
  let left = pick(
    Math.max(
      1,
      usable.reduce((sum, { count }) => sum + count, 0),
    ),
  );
  for (const { answer, count } of usable) {
    if (left < count) return answer;
    left -= count;
  }
  return undefined;
}
