/** From generated tokens to the answer that is scored or shown (reference.md 7.1). */
import type { Tokenizer } from '../data/tokenizer.ts';

/**
 * The text of generated tokens: special tokens left out, cut where the model writes an end of its own in plain text, and only what
 * follows the last prompt that it may have repeated.
 * @param tokenIds new tokens of one row, as `generate` gives them
 */
export function answerText(tokenIds: readonly number[], tokenizer: Tokenizer): string {
  const [said = ''] = tokenizer.decode(tokenIds, { skipSpecial: true }).split('</s>');
  return (said.replaceAll('<s>', '').split('[/INST]').at(-1) ?? '').trim();
}
