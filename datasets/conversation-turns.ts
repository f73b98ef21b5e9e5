/** Conversations as LLaVA writes them, `[{from, value}, ...]`, turned into questions with their answers. */

import type { Turn } from '../lib/data/sample.ts';
import { IMAGE_PLACEHOLDER } from '../lib/data/template.ts';
import { stripText } from '../lib/data/text-clean.ts';

/** What stands in a text where the image belongs. */
const IMAGE_TOKEN = '<image>';
/** With the line that it may stand on alone. */
const IMAGE_TOKENS = /\s*<image>\s*/g;

/** Turns, or in few words why there are none. */
export type TurnsResult = { turns: Turn[] } | { fault: string };

/**
 * Checks a conversation and joins each question with its answer: `human` and `gpt` take turns, `human` first, as many answers as
 * questions, none empty, the image in the first question alone. The original repeats or loses answers where their number is off.
 * @param value of the key `conversations`
 */
export function turnsOf(value: unknown): TurnsResult {
  if (!Array.isArray(value) || value.length === 0) return { fault: 'no conversation' };
  const turns: Turn[] = [];
  let question = '';
  for (const [place, message] of value.entries()) {
    const speaker = place % 2 === 0 ? 'human' : 'gpt';
    const text = textOf(message, speaker);
    if (text === undefined) return { fault: 'speakers do not alternate' };
    if (text.includes(IMAGE_PLACEHOLDER)) return { fault: 'image placeholder in a text' };
    if (place > 0 && text.includes(IMAGE_TOKEN)) return { fault: 'image in a later turn' };
    const clean = stripText(text.replace(IMAGE_TOKENS, ' '));
    if (clean === '') return { fault: speaker === 'human' ? 'empty question' : 'empty answer' };
    if (speaker === 'human') question = clean;
    else turns.push({ question, answer: clean });
  }
  return value.length % 2 === 0 ? { turns } : { fault: 'question without answer' };
}

/** The text of a message of this speaker, or undefined. */
function textOf(message: unknown, speaker: 'human' | 'gpt'): string | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { from, value } = message as Record<string, unknown>;
  return from === speaker && typeof value === 'string' ? value : undefined;
}
