/** What a source does to its texts before they are trained on: the rule of the original, or one that spares what that rule spoils. */

import { z } from 'zod';
import { cleanText, stripText } from './text-clean.ts';

const RULES = ['reference', 'keep-numbers', 'verbatim'] as const;

/** See `textRuleOption`. */
export type TextRule = (typeof RULES)[number];

/**
 * The option of a source that chooses the rule.
 * @param what the texts, for people, such as `captions`
 * @param usual the default of this source
 */
export function textRuleOption(what: string, usual: TextRule) {
  return z
    .enum(RULES)
    .default(usual)
    .describe(
      `What is done to ${what}. reference: as the original; lower case, . ! " ( ) * # : ; ~ become spaces, cut after 50 words. keep-numbers: so too, but . * # : between two letters or digits stay (3.5, 10:15) and nothing is cut. verbatim: only white space at the ends goes.`,
    );
}

/** A text by a rule; empty where the rule leaves nothing. */
export function ruledText(text: string, rule: TextRule): string {
  if (rule === 'verbatim') return stripText(text);
  return rule === 'reference'
    ? cleanText(text)
    : cleanText(text, { keepInner: true, maxWords: Number.POSITIVE_INFINITY });
}
