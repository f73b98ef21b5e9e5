/** Texts with the ids that a model of this project gets for them, for comparison with other programs' tokenizers. */

import { randomStream } from '../../lib/core/rng.ts';
import type { Tokenizer } from '../../lib/data/tokenizer.ts';

/** What prompts hold, and what makes tokenizers differ. */
const TEXTS = [
  '[INST] <Img>',
  '</Img> [refer] give me the location of the left red circle [/INST]',
  '</Img> [caption] please describe this image? [/INST]',
  '{<12><34><56><100>}',
  '<p>a dog</p> {<0><9><10><99>}<delim>{<1><2><3><4>}',
  'two  spaces,   three,    four and a tab\tand\nlines\r\n',
  '   ',
  '',
  'extraordinarily unforeseeable hippopotamuses',
  'naïve café, Größe, дом, 猫と犬, 🐕‍🦺 and 👩🏽‍🚀',
  "don't stop; it's 3.14159 or 1,000,000!",
  '<unknown> < s > [vqa][identify]',
];

const ALPHABET = [...'abcdefghijklmnopqrstuvwxyz      ABCDEF0123456789.,:;!?<>[]{}()/"\'-éßдж猫🐕\n'];

export interface TokenizerCase {
  text: string;
  ids: number[];
  /** Only where ids give the text back as the trainer reads it. */
  decoded: string;
}

/** @param random how many texts of random characters join the fixed ones */
export function tokenizerCases(tokenizer: Tokenizer, random = 500): TokenizerCase[] {
  const stream = randomStream(7, 11);
  let draws = 0;
  const draw = (bound: number): number => stream.integer(draws++, bound);
  const drawn = Array.from({ length: random }, () =>
    Array.from({ length: 1 + draw(40) }, () => ALPHABET[draw(ALPHABET.length)]).join(''),
  );
  return [...TEXTS, ...drawn].map((text) => {
    const ids = tokenizer.encode(text, { parseSpecials: false });
    return { text, ids, decoded: tokenizer.decode(ids) };
  });
}
