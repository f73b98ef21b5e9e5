/** Charts as SVG text, drawn while the page is made: no script, no fetch. Colours are CSS variables, so that charts follow the page. */

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type Html, html, plainText, trusted } from './markup.ts';

/** How one series looks wherever it occurs: by colour, and by shape or dashes for those who cannot tell colours. */
export interface Look {
  readonly colour: string;
  readonly symbol: 'circle' | 'square' | 'triangle' | 'diamond' | 'wye' | 'star' | 'times' | 'plus' | 'asterisk';
  readonly dash: string;
}

const LOOKS: readonly Look[] = [
  { colour: 'var(--series-1)', symbol: 'circle', dash: 'none' },
  { colour: 'var(--series-2)', symbol: 'square', dash: '7 3' },
  { colour: 'var(--series-3)', symbol: 'triangle', dash: '2 3' },
  { colour: 'var(--series-4)', symbol: 'diamond', dash: '9 3 2 3' },
  { colour: 'var(--series-5)', symbol: 'star', dash: '4 4' },
  { colour: 'var(--series-6)', symbol: 'wye', dash: '12 4' },
];

/** The look of the series at a place; after six they come again. */
export function lookOf(place: number): Look {
  return LOOKS[place % LOOKS.length] as Look;
}

export interface ChartRequest {
  /** What the chart shows, for those who do not see it. */
  description: string;
  /** Size in the units of the SVG; the page scales it down where it must. */
  width: number;
  height: number;
  options: Plot.PlotOptions;
}

/** One light document for all charts of a process; nothing is ever attached to it. */
let page: object | undefined;

/** What is used of an element; the program is compiled without the types of a browser. */
interface LightElement {
  readonly outerHTML: string;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  querySelector(selector: string): LightElement | null;
  querySelectorAll(selector: string): Iterable<LightElement>;
  remove(): void;
}

/** Draws a chart. */
export function drawChart({ description, width, height, options }: ChartRequest): Html {
  page ??= parseHTML('<!doctype html><html><body></body></html>').document as object;
  const style = { fontSize: '12px', fontFamily: 'inherit', background: 'none', color: 'inherit' };
  const drawn = Plot.plot({ ...options, document: page, width, height, style }) as LightElement;
  drawn.querySelector('style')?.remove();
  for (const element of drawn.querySelectorAll('*')) {
    element.removeAttribute('aria-label');
    roundNumbers(element);
  }
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', plainText(description));
  return trusted(drawn.outerHTML);
}

const GEOMETRY = ['d', 'transform', 'x', 'y', 'x1', 'x2', 'y1', 'y2', 'cx', 'cy', 'width', 'height'] as const;

/** A hundredth of a pixel is finer than any screen; the rest would be half of the page. */
function roundNumbers(element: LightElement): void {
  for (const name of GEOMETRY) {
    const value = element.getAttribute(name);
    if (value !== null)
      element.setAttribute(
        name,
        value.replace(/\d+\.\d{2,}/g, (number) => String(+(+number).toFixed(1))),
      );
  }
}

/** A series' sign beside its name. */
export function glyph({ colour, symbol }: Look): Html {
  const size = 14;
  const line = ['times', 'plus', 'asterisk'].includes(symbol);
  return html`<span class="glyph" aria-hidden="true">${drawChart({
    description: '',
    width: size,
    height: size,
    options: {
      margin: 0,
      x: { axis: null, domain: [0, 2] },
      y: { axis: null, domain: [0, 2] },
      marks: [Plot.dot([[1, 1]], { symbol, r: 4, ...(line ? { stroke: colour, strokeWidth: 2 } : { fill: colour }) })],
    },
  })}</span>`;
}

/** A figure of the page: heading, chart, and what stands below it. */
export function figure(parts: { title: string; chart: Html; legend?: Html; note?: string }): Html {
  const { title, chart, legend, note } = parts;
  return html`<figure class="chart"><figcaption><strong>${title}</strong>${note === undefined ? '' : html` <span class="note">${note}</span>`}</figcaption>${legend ?? ''}${chart}</figure>`;
}

/** The names of series, each with its sign. */
export function legend(entries: readonly { name: string; look: Look }[]): Html {
  return html`<ul class="legend">${entries.map(({ name, look }) => html`<li>${glyph(look)}${name}</li>`)}</ul>`;
}
