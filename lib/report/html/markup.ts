/** HTML as values: a template in which every inserted text is escaped, so that no answer, name or setting can become markup. */

/** JSON cannot hold this key, so nothing that was read from a file passes for markup. */
const MARKUP = Symbol('markup');

/** Markup that is safe to write as it is. */
export interface Html {
  readonly [MARKUP]: string;
}

/** What may stand in a template: markup as it is, lists one after another, nothing for undefined and false, all else as escaped text. */
export type Fragment = Html | string | number | false | undefined | readonly Fragment[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Characters that HTML forbids, whatever the escape: controls other than white space, halves of surrogate pairs, non-characters. */
const FORBIDDEN = /(?![\t\n\r])\p{Cc}|\p{Cs}|\p{Noncharacter_Code_Point}/gu;

/** Text without the characters that HTML forbids; each becomes the replacement character. */
export function plainText(text: string): string {
  return text.replace(FORBIDDEN, '\ufffd');
}

/** Markup from a template; attributes must be written in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Fragment[]): Html {
  return trusted(parts.map((part, place) => part + (place < values.length ? markupOf(values[place]) : '')).join(''));
}

/** Markup that a program made, such as a drawn chart; never text from a file. */
export function trusted(markup: string): Html {
  return { [MARKUP]: markup };
}

/** The text of some markup. */
export function markupOf(fragment: Fragment): string {
  if (fragment === undefined || fragment === false) return '';
  if (Array.isArray(fragment)) return fragment.map((part: Fragment) => markupOf(part)).join('');
  if (typeof fragment === 'object' && fragment !== null && MARKUP in fragment) return fragment[MARKUP];
  return plainText(String(fragment)).replace(/[&<>"']/g, (sign) => ESCAPES[sign] as string);
}
