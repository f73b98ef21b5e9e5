/** Tokens as chips: the piece above, its id below, a thick line under what is trained. */

import { count, short } from '../html/format.ts';
import { type Html, html } from '../html/markup.ts';
import type { ShownToken, TextToken } from './inspection.ts';

/** A frame with all tokens; it scrolls where there are many. */
export function tokenFrame(tokens: readonly ShownToken[], label: string): Html {
  return html`<div class="tokens" role="region" aria-label="${label}" tabindex="0">${tokenChips(tokens)}</div>`;
}

/** The chips alone; a word stands before each stretch that is trained. */
export function tokenChips(tokens: readonly ShownToken[]): Html {
  return html`${tokens.map((token, place) => {
    const before = tokens[place - 1];
    const name = sameStretch(token, before) ? undefined : stretchName(token);
    // The word must not stay behind at the end of a line.
    return name === undefined ? chip(token) : html`<span class="n">${name}${chip(token)}</span>`;
  })}`;
}

function sameStretch(token: ShownToken, before: ShownToken | undefined): boolean {
  const state = (one: ShownToken | undefined): string =>
    one === undefined || one.kind === 'image' || !one.supervised ? '' : `trained ${one.weight ?? 1}`;
  return state(token) === state(before);
}

function stretchName(token: ShownToken): Html | undefined {
  if (token.kind === 'image' || !token.supervised) return undefined;
  return html`<em>trained${token.weight !== undefined && ` × ${short(token.weight)}`}</em>`;
}

const KIND_CLASS = { text: '', special: 's', byte: 'y' } as const;

function chip(token: ShownToken): Html {
  if (token.kind === 'image') {
    return html`<span class="i">${token.slots === 1 ? 'image slot' : `${count(token.slots)} image slots`}<small>no id</small></span>`;
  }
  const names = [KIND_CLASS[token.kind], token.supervised ? 't' : ''].filter((name) => name !== '').join(' ');
  const text = html`${token.kind === 'byte' ? byteText(token) : visible(token.text ?? token.piece)}<small>${token.id}</small>`;
  return names === '' ? html`<span>${text}</span>` : html`<span class="${names}">${text}</span>`;
}

/** Characters that would not be seen. */
const INVISIBLE: Readonly<Record<string, string>> = { '\n': '⏎', '\r': '␍', '\t': '⇥', ' ': '▁' };

/** A text in which white space is seen; a space looks as vocabularies write it. */
function visible(text: string): string {
  return text.replace(/[\n\r\t ]/g, (character) => INVISIBLE[character] as string);
}

/** The digits of bytes, and what ends with them. */
function byteText({ bytes, piece, ends }: TextToken): Html {
  return html`${bytes ?? piece}${ends !== undefined && html` <b>${visible(ends)}</b>`}`;
}
