/** Groups of examples into rows of a fixed length: few rows, and few groups that are cut for it. */

import { cut, fullest, type Group, placeOf } from './pack-groups.ts';

interface OpenRow {
  groups: Group[];
  room: number;
}

/**
 * Groups into few rows: by best fit, or by filling one row after the other; and where the tokens would fit into fewer, the emptiest
 * row is shared out among the others if that cuts few groups. As a pass pads its rows to the longest, the rows are then made as
 * even as they can be. Rows and the groups in them are put back into the order of the input.
 */
export function fillRows(groups: readonly Group[], maxTokens: number): Group[][] {
  let rows = fewestRows(groups, maxTokens);
  for (let fewer = sharedOut(rows, maxTokens); fewer !== undefined; fewer = sharedOut(rows, maxTokens)) rows = fewer;
  const byPlace = (a: Group, b: Group): number => placeOf(a) - placeOf(b);
  return evened(rows, maxTokens)
    .map((row) => row.groups.sort(byPlace))
    .sort(([a], [b]) => byPlace(a as Group, b as Group));
}

/** With more groups best fit alone leaves hardly anything, and the other rule would take its time. */
const MANY_GROUPS = 256;

function fewestRows(groups: readonly Group[], length: number): OpenRow[] {
  const ordered = longestFirst(groups);
  const fitted = bestFit(ordered, length);
  const filled = groups.length > MANY_GROUPS ? fitted : rowByRow(ordered, length);
  return filled.length < fitted.length ? filled : fitted;
}

/** Rows that no filling could be less than. */
function leastRows(rows: readonly OpenRow[], maxTokens: number): number {
  return Math.ceil(rows.reduce((sum, { room }) => sum + maxTokens - room, 0) / maxTokens);
}

/** As many rows, of the least length that is found for them by halving. */
function evened(rows: readonly OpenRow[], maxTokens: number): OpenRow[] {
  const groups = rows.flatMap((row) => row.groups);
  const tokens = groups.reduce((sum, { length }) => sum + length, 0);
  const longest = groups.reduce((most, { length }) => Math.max(most, length), 0);
  let best = [...rows];
  let low = Math.max(longest, Math.ceil(tokens / Math.max(1, rows.length)));
  let high = maxTokens;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const even = fewestRows(groups, middle);
    if (even.length <= rows.length) {
      best = even;
      high = middle;
    } else low = middle + 1;
  }
  return best;
}

/** Each group in turn into the fullest row that has room. */
function bestFit(groups: readonly Group[], maxTokens: number): OpenRow[] {
  const rows: OpenRow[] = [];
  for (const group of groups) {
    const best = bestRow(rows, group.length);
    if (best === undefined) rows.push({ groups: [group], room: maxTokens - group.length });
    else putInto(best, group);
  }
  return rows;
}

/** Groups among which the fullest choice is looked for; more of them give no fuller rows. */
const MOST_CHOICES = 48;

/** Each row begins with the first group that is left and takes those that fill it most. */
function rowByRow(groups: readonly Group[], maxTokens: number): OpenRow[] {
  const rows: OpenRow[] = [];
  const waiting = [...groups];
  for (let first = waiting.shift(); first !== undefined; first = waiting.shift()) {
    const row: OpenRow = { groups: [first], room: maxTokens - first.length };
    // Spread over all that wait, so that long and short ones are among them.
    const every = Math.max(1, waiting.length / MOST_CHOICES);
    const choices = Array.from({ length: Math.min(waiting.length, MOST_CHOICES) }, (_, n) => Math.floor(n * every));
    const chosen = fullest(
      choices.map((place) => (waiting[place] as Group).length),
      row.room,
    );
    for (const choice of [...chosen].sort((a, b) => b - a)) {
      putInto(row, waiting.splice(choices[choice] as number, 1)[0] as Group);
    }
    rows.push(row);
  }
  return rows;
}

function longestFirst(groups: readonly Group[]): Group[] {
  return [...groups].sort((a, b) => b.length - a.length || placeOf(a) - placeOf(b));
}

/** The fullest row that has room; none where none has. */
function bestRow(rows: readonly OpenRow[], length: number): OpenRow | undefined {
  let best: OpenRow | undefined;
  for (const row of rows) if (row.room >= length && (best === undefined || row.room < best.room)) best = row;
  return best;
}

function putInto(row: OpenRow, group: Group): void {
  row.groups.push(group);
  row.room -= group.length;
}

/** Groups that may be cut for one row less: each cut shows an image once more, and costs its prefix. */
const MOST_CUTS = 2;

/** The rows without the emptiest one, whose groups went into the others; undefined where they have no room for them. */
function sharedOut(rows: readonly OpenRow[], maxTokens: number): OpenRow[] | undefined {
  if (rows.length <= leastRows(rows, maxTokens)) return undefined;
  const emptiest = rows.reduce((most, row) => (row.room > most.room ? row : most));
  const others = rows.filter((row) => row !== emptiest).map(({ groups, room }) => ({ groups: [...groups], room }));
  let cuts = 0;
  const waiting = longestFirst(emptiest.groups);
  for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
    const whole = bestRow(others, group.length);
    if (whole !== undefined) {
      putInto(whole, group);
      continue;
    }
    const widest = others.reduce((most, row) => (row.room > most.room ? row : most));
    const [some, rest] = cut(group, widest.room);
    if (some === undefined || rest === undefined || ++cuts > MOST_CUTS) return undefined;
    putInto(widest, some);
    waiting.unshift(rest);
  }
  return others;
}
