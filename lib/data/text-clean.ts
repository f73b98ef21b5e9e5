/**
 * The cleaning of captions, expressions and short answers (`blip_caption` in LAVIS and MiniGPT-v2), with Python's idea of
 * white space, so that cleaned texts agree with those that released weights were trained on.
 */

/** The characters that Python's `\s` and `str.split()` take for white space; JavaScript's `\s` is another set. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACE_RUN = new RegExp(`[${SPACE}]{2,}`, 'g');
const SPACES = new RegExp(`[${SPACE}]+`);
const ONE_SPACE = new RegExp(`^[${SPACE}]$`);
const DROPPED = /[.!"()*#:;~]/g;
/** The same without those between two letters or digits that numbers, times and names need: `3.5`, `10:15`, `M*A*S*H`. */
const DROPPED_OUTSIDE = /[!"();~]|(?<![\p{L}\p{N}])[.*#:]|[.*#:](?![\p{L}\p{N}])/gu;

export interface CleanOptions {
  /** Put before the cleaned text. */
  prompt?: string;
  /** Words that are kept; words are separated by single spaces. Default 50. */
  maxWords?: number;
  /** Leave `. * # :` between two letters or digits as they are, which the original does not do. */
  keepInner?: boolean;
}

/**
 * Lower-cases, turns `. ! " ( ) * # : ; ~` into spaces, joins runs of white space, strips, and keeps the first words.
 * `? , ' - / & %` and digits stay, so `3.5` becomes `3 5`.
 */
export function cleanText(text: string, options: CleanOptions = {}): string {
  const { prompt = '', maxWords = 50, keepInner = false } = options;
  const dropped = keepInner ? DROPPED_OUTSIDE : DROPPED;
  const spaced = text.toLowerCase().replace(dropped, ' ').replace(SPACE_RUN, ' ');
  const stripped = spaced.replace(/\n+$/, '').replace(/^ +| +$/g, '');
  return prompt + stripped.split(' ').slice(0, maxWords).join(' ');
}

/** Python's `str.split()`: words between runs of white space, no empty ones. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== '');
}

/** Python's `str.strip()`; linear in the text, which an expression that looks for the end is not. */
export function stripText(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && ONE_SPACE.test(text[start] as string)) start++;
  while (end > start && ONE_SPACE.test(text[end - 1] as string)) end--;
  return text.slice(start, end);
}
