/** The names of a data set's objects, and the forms in which a text may write them. */

import type { Truth } from '../../data/sample.ts';
import { normalisePhrase } from '../parse-answer.ts';

/** What a form stands for. */
export interface NameForm {
  readonly name: string;
  readonly plural: boolean;
}

/** Every form of every name, normalised. */
export type NameForms = ReadonlyMap<string, NameForm>;

/** All names with their regular English plurals. Where a form could be a name or a plural (fish), it is the name. */
export function nameForms(names: readonly string[]): NameForms {
  const forms = new Map<string, NameForm>();
  const singular = names.map(normalisePhrase);
  for (const name of singular) for (const form of regularPlurals(name)) forms.set(form, { name, plural: true });
  for (const name of singular) forms.set(name, { name, plural: false });
  return forms;
}

/** The names of all objects of some truths, sorted. */
export function namesOfTruths(truths: readonly Truth[]): string[] {
  return [...new Set(truths.flatMap(({ objects = [] }) => objects.map(({ name }) => name)))].sort();
}

/**
 * The class that a phrase speaks of: the known name of most words in it, the last one among equals, since English puts the head of
 * a noun phrase last. A phrase without a known name is its own class.
 * @param phrase such as `the big red apple` or `two apples`
 */
export function classOfPhrase(phrase: string, forms: NameForms): string {
  const whole = normalisePhrase(phrase);
  const words = whole.split(' ');
  for (let length = words.length; length > 0; length--) {
    for (let start = words.length - length; start >= 0; start--) {
      const form = forms.get(words.slice(start, start + length).join(' '));
      if (form !== undefined) return form.name;
    }
  }
  return whole;
}

/** Forms that no text holds do no harm. */
function regularPlurals(name: string): string[] {
  const forms = [`${name}s`, `${name}es`];
  if (/[^aeiou]y$/.test(name)) forms.push(`${name.slice(0, -1)}ies`);
  if (/fe?$/.test(name)) forms.push(`${name.replace(/fe?$/, '')}ves`);
  return forms;
}
