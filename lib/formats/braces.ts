/** Brace patterns, in which shells, Python's braceexpand and WebDataset name many files: `{00000..00041}` and `{a,b}`, also nested. */

import { TristageError } from '../core/errors.ts';

const MAX_SHARDS = 1_000_000;
/** Each of them costs a call; no folder structure needs more. */
const MAX_PAIRS = 32;

/**
 * Expands a pattern: ranges of numbers (kept at their width), with a step in `{0..10..2}`, and lists; several may stand in one path, and
 * the items of a list may have braces themselves.
 * @throws TristageError E_SHARDS for an open brace, a range that runs down, or more than a million paths
 */
export function expandBraces(pattern: string): string[] {
  if (pattern.split('{').length > MAX_PAIRS + 1) throw badShards(pattern, 'too many braces', `at most ${MAX_PAIRS}`);
  return expand(pattern, pattern);
}

function expand(text: string, pattern: string): string[] {
  const open = text.indexOf('{');
  if (open < 0) return [text];
  const items = itemsOf(text, open);
  if (items === undefined)
    throw badShards(pattern, `${text.slice(open)}: a brace that stays open`, '{00000..00041} or {a,b}');
  const inner = items.join(',');
  const choices = items.length === 1 ? rangeOf(inner) : items.flatMap((item) => expand(item, pattern));
  if (choices === undefined) throw badShards(pattern, `{${inner}}`, '{00000..00041} or {a,b}');
  const tails = expand(text.slice(open + inner.length + 2), pattern);
  if (choices.length * tails.length > MAX_SHARDS) throw badShards(pattern, 'more than a million shards', 'fewer');
  return choices.flatMap((choice) => tails.map((tail) => text.slice(0, open) + choice + tail));
}

/** What stands between the commas of a pair of braces, those of inner pairs left alone; undefined where it is not closed. */
function itemsOf(text: string, open: number): string[] | undefined {
  const items: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let at = open; at < text.length; at++) {
    const sign = text[at];
    if (sign === '{') depth++;
    if (sign === '}') depth--;
    if (depth === 0 || (depth === 1 && sign === ',')) {
      items.push(text.slice(start, at));
      start = at + 1;
    }
    if (depth === 0) return items;
  }
  return undefined;
}

function rangeOf(inner: string): string[] | undefined {
  const range = /^(\d{1,15})\.\.(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(inner);
  if (range === null) return undefined;
  const [from, to] = [range[1] as string, range[2] as string];
  const [first, last, step] = [Number(from), Number(to), Number(range[3] ?? 1)];
  if (last < first || step < 1 || (last - first) / step >= MAX_SHARDS) return undefined;
  const padded = [from, to].some((bound) => bound.length > 1 && bound.startsWith('0'));
  const width = padded ? Math.max(from.length, to.length) : 0;
  const count = Math.floor((last - first) / step) + 1;
  return Array.from({ length: count }, (_, place) => String(first + place * step).padStart(width, '0'));
}

/** The error of shards that are not there. */
export function badShards(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SHARDS',
    message: 'the tar shards are not there',
    where,
    found,
    expected,
    fix: 'check the root of the source in the config',
  });
}
