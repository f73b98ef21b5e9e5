/** A packed row: a strip of what stands where and how much room is left, and a drawing of who sees whom. */

import { count, percent } from '../html/format.ts';
import { type Html, html, trusted } from '../html/markup.ts';
import type { InspectedRow, RowSpan } from './inspection.ts';

type Packed = NonNullable<InspectedRow['packed']>;

/** Heading, strip and mask of a packed row. */
export function rowFigure(
  { step, row, length, packed }: InspectedRow & { packed: Packed },
  { open }: { open: boolean },
): Html {
  const title = html`<h3>Row ${count(row + 1)} of step ${count(step)}</h3>`;
  const { room, spans } = packed;
  const examples = spans.filter(({ kind }) => kind === 'branch').length;
  const facts = `${count(length)} of ${count(room)} tokens, ${percent(length / room)} full: ${counted(examples, 'example')} in ${counted(groupsOf(spans).length, 'group')}`;
  return html`${title}<p class="note">${facts}</p>${strip(packed, length)}
<details${open ? html` open` : ''}><summary>Who sees whom</summary><div class="seen"><figure>${maskSvg(spans, length)}</figure>${spanList(spans)}</div></details>`;
}

function counted(number: number, name: string): string {
  return `${count(number)} ${number === 1 ? name : `${name}s`}`;
}

/** Spans by their group, in order. */
function groupsOf(spans: readonly RowSpan[]): RowSpan[][] {
  const groups: RowSpan[][] = [];
  for (const span of spans) {
    const last = groups.at(-1);
    if (last?.[0]?.group === span.group) last.push(span);
    else groups.push([span]);
  }
  return groups;
}

/** What a span is called where there is little room. */
function nameOf({ kind, sample, task }: RowSpan): string {
  if (kind === 'prefix') return 'shared';
  return sample === undefined ? (task ?? '') : `#${sample}`;
}

function strip({ room, spans, parts }: Packed, length: number): Html {
  const shown = spans.map((span) => {
    const inside = parts.flatMap(({ kind, from, to }) => {
      const size = Math.min(to, span.to) - Math.max(from, span.from);
      return size > 0 ? [html`<i class="${kind}" style="flex-grow:${size}"></i>`] : [];
    });
    return html`<span style="flex-grow:${span.to - span.from}"><span class="parts">${inside}</span><b${span.kind === 'prefix' ? html` class="wide"` : ''}>${nameOf(span)}</b></span>`;
  });
  const rest = room - length;
  const empty =
    rest > 0 &&
    html`<span style="flex-grow:${rest}"><span class="parts"><i class="empty" style="flex-grow:1"></i></span><b class="wide">free</b></span>`;
  const trained = parts.reduce((sum, { kind, from, to }) => sum + (kind === 'supervised' ? to - from : 0), 0);
  const label = `${count(length)} tokens of which ${count(trained)} are trained, ${count(rest)} places free`;
  return html`<div class="strip" role="img" aria-label="${label}">${shown}${empty}</div>`;
}

/** A part of the mask: all queries see all keys, or where both are the same span each sees those up to itself. */
export interface MaskPart {
  readonly queries: readonly [number, number];
  readonly keys: readonly [number, number];
  readonly causal: boolean;
}

/** What is visible in a row: every span to itself in time, and the prefix of a group to its branches. */
export function maskParts(spans: readonly RowSpan[]): MaskPart[] {
  return groupsOf(spans).flatMap((group) =>
    group.flatMap((span): MaskPart[] => {
      const own: [number, number] = [span.from, span.to];
      const prefix = group[0] !== span && group[0]?.kind === 'prefix' ? group[0] : undefined;
      return [
        ...(prefix === undefined
          ? []
          : [{ queries: own, keys: [prefix.from, prefix.to] as [number, number], causal: false }]),
        { queries: own, keys: own, causal: true },
      ];
    }),
  );
}

/** Units of the drawing, and what its margins take for names. */
const SIDE = 300;
const MARGIN = 48;
/** Names need as much room. */
const NAMED = 13;

function maskSvg(spans: readonly RowSpan[], length: number): Html {
  const scale = (SIDE - MARGIN) / length;
  const at = (place: number): string => String(+(MARGIN + place * scale).toFixed(1));
  const shapes = maskParts(spans).map(({ queries: [top, bottom], keys: [left, right], causal }) =>
    causal
      ? `<path class="sees" d="M${at(left)} ${at(top)}V${at(bottom)}H${at(right)}z"/>`
      : `<path class="reads" d="M${at(left)} ${at(top)}H${at(right)}V${at(bottom)}H${at(left)}z"/>`,
  );
  const lines = [0, ...spans.map(({ to }) => to)].map(
    (place) => `<path class="edge" d="M${at(place)} ${MARGIN - 6}V${MARGIN}M${MARGIN - 6} ${at(place)}H${MARGIN}"/>`,
  );
  const frame = `<path class="edge" d="M${MARGIN} ${MARGIN}H${SIDE}V${SIDE}H${MARGIN}z"/>`;
  const names = spans
    .filter(({ from, to }) => (to - from) * scale >= NAMED)
    .map((span) => {
      const middle = MARGIN + ((span.from + span.to) / 2) * scale;
      const wide = (span.to - span.from) * scale >= 34 || span.kind === 'branch';
      const name = nameOf(span);
      return html`<text x="${MARGIN - 9}" y="${(middle + 4).toFixed(1)}" text-anchor="end">${name.slice(0, 6)}</text>${wide && html`<text x="${middle.toFixed(1)}" y="${MARGIN - 11}" text-anchor="middle">${name.slice(0, 6)}</text>`}`;
    });
  const told = groupsOf(spans).map((group) => {
    const branches = group.filter(({ kind }) => kind === 'branch').length;
    return group[0]?.kind === 'prefix' ? `${branches} examples behind a shared prefix` : 'an example by itself';
  });
  return html`<svg class="mask" viewBox="0 0 ${SIDE} ${SIDE}" role="img" aria-label="${`Mask of ${length} by ${length} places: ${told.join('; ')}.`}">${trusted(shapes.join('') + lines.join('') + frame)}${names}</svg><figcaption class="note">Each line is a token, each column one that it may look at. Full colour: those before it; light: the shared prefix.</figcaption>`;
}

/** A line for each group: what it shares, and who stands behind it. */
function spanList(spans: readonly RowSpan[]): Html {
  const items = groupsOf(spans).map((group) => {
    const [first, ...others] = group;
    if (first?.kind !== 'prefix') return html`<li>${group.map(spanName)}, by itself</li>`;
    const shared = counted(first.to - first.from, 'token');
    const names = others.map((span, place) => html`${place > 0 && ', '}${spanName(span)}`);
    return html`<li>${shared} shared by ${counted(others.length, 'example')}, of which each sees them and itself: ${names}</li>`;
  });
  return html`<ul>${items}</ul>`;
}

function spanName({ sample, task, from, to }: RowSpan): Html {
  const size = html` ${task} (${count(to - from)})`;
  if (sample === undefined) return html`<span class="note">not shown</span>${size}`;
  return html`<a href="#sample-${sample}">#${sample}</a>${size}`;
}
