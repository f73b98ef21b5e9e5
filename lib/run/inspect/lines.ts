/** The lines of a mixture whose samples are looked at. */

import { closest } from '../../config/suggest.ts';
import { TristageError } from '../../core/errors.ts';

/**
 * Lines that a word names.
 * @param word name of a source, which may stand in several lines, or the place of a line from 1; absent: all lines
 * @returns places from 0
 * @throws TristageError E_INSPECT_SOURCE
 */
export function chosenLines(lines: readonly { source: string }[], word: string | undefined): number[] {
  const all = [...lines.keys()];
  if (word === undefined) return all;
  const named = all.filter((line) => lines[line]?.source === word);
  if (named.length > 0) return named;
  const place = /^\d+$/.test(word) ? Number(word) - 1 : -1;
  if (lines[place] !== undefined) return [place];
  const names = [...new Set(lines.map(({ source }) => source))];
  const suggestion = closest(word, names) ?? names.find((name) => word !== '' && name.includes(word.toLowerCase()));
  throw new TristageError({
    kind: 'usage',
    code: 'E_INSPECT_SOURCE',
    message: 'the mixture has no such line',
    where: '--source',
    found: word,
    expected: `${names.join(', ')}, or a place from 1 to ${lines.length}`,
    ...(suggestion === undefined ? {} : { fix: `did you mean ${suggestion}?` }),
  });
}
