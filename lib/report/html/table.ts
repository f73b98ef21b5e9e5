/** Tables: the first cell of a row names it, numbers stand to the right, wide ones scroll in their own frame. */

import { type Fragment, type Html, html } from './markup.ts';

export interface TableRequest {
  caption: string;
  head: readonly Fragment[];
  rows: readonly (readonly Fragment[])[];
  /** Columns of text from the left, the first included; the others hold numbers. Default 1. */
  texts?: number;
  note?: Fragment;
  /** A heading above says already what the caption says; it is left to those who hear the page. */
  quiet?: boolean;
}

/** A table with its caption, in a frame that can be scrolled with the keyboard too. */
export function table({ caption, head, rows, texts = 1, note, quiet = false }: TableRequest): Html {
  const cell = (content: Fragment, column: number): Html => {
    if (column === 0) return html`<th scope="row">${content}</th>`;
    return column < texts ? html`<td>${content}</td>` : html`<td class="number">${content}</td>`;
  };
  const headings = head.map((name, column) =>
    column < texts ? html`<th scope="col">${name}</th>` : html`<th scope="col" class="number">${name}</th>`,
  );
  return html`<div class="frame" role="region" aria-label="${caption}" tabindex="0"><table><caption>${quiet ? html`<span class="hidden">${caption}</span>` : caption}</caption>
<thead><tr>${headings}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>${note !== undefined && html`<p class="note">${note}</p>`}`;
}
