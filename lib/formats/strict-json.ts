/**
 * JSON for headers that decide how bytes are read. `JSON.parse` keeps the last of two equal keys, rounds integers beyond 2^53
 * and lets `__proto__` through; here each of these is an error, objects are Maps, and every number is a whole one.
 */

/** A value of such a header. */
export type StrictJson = string | number | boolean | null | StrictJson[] | StrictObject;

/** Keys in file order. */
export type StrictObject = Map<string, StrictJson>;

const DEEPEST = 32;
/** A quarter of a million tensors; beyond, a small file could ask for much memory. */
const MOST_VALUES = 2_000_000;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

/** Where and why a text is not the JSON that is accepted here. */
export class StrictJsonError extends Error {}

/**
 * Parses a text that holds one JSON value and, around it, only white space.
 * @param options `fractions`: numbers need not be whole, for files whose numbers decide nothing
 * @throws StrictJsonError naming the character offset and what was expected there
 */
export function parseStrictJson(text: string, { fractions = false } = {}): StrictJson {
  const cursor: Cursor = { text, at: 0, values: 0, fractions };
  const value = parseValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.at < text.length) throw fault(cursor, 'nothing after the value');
  return value;
}

interface Cursor {
  readonly text: string;
  at: number;
  /** Values begun so far. */
  values: number;
  readonly fractions: boolean;
}

function fault(cursor: Cursor, expected: string): StrictJsonError {
  const found =
    cursor.at < cursor.text.length ? JSON.stringify(cursor.text.slice(cursor.at, cursor.at + 16)) : 'the end';
  return new StrictJsonError(`at character ${cursor.at}: expected ${expected}, found ${found}`);
}

function skipSpace(cursor: Cursor): void {
  SPACE.lastIndex = cursor.at;
  SPACE.exec(cursor.text);
  cursor.at = SPACE.lastIndex;
}

function parseValue(cursor: Cursor, depth: number): StrictJson {
  if (depth > DEEPEST) throw fault(cursor, `at most ${DEEPEST} levels of nesting`);
  if (++cursor.values > MOST_VALUES) throw fault(cursor, `at most ${MOST_VALUES} values`);
  skipSpace(cursor);
  const first = cursor.text[cursor.at];
  if (first === '{') return parseObject(cursor, depth);
  if (first === '[') return parseArray(cursor, depth);
  if (first === '"') return parseString(cursor);
  for (const [word, value] of [
    ['true', true],
    ['false', false],
    ['null', null],
  ] as const) {
    if (cursor.text.startsWith(word, cursor.at)) {
      cursor.at += word.length;
      return value;
    }
  }
  return parseInteger(cursor);
}

function parseInteger(cursor: Cursor): number {
  NUMBER.lastIndex = cursor.at;
  const literal = NUMBER.exec(cursor.text)?.[0];
  if (literal === undefined) throw fault(cursor, 'a JSON value');
  const value = Number(literal);
  const isWhole = /^-?\d+$/.test(literal) && Number.isSafeInteger(value);
  if (!isWhole && !cursor.fractions) throw fault(cursor, 'a whole number below 2^53');
  cursor.at += literal.length;
  return value;
}

/** Consumes `character` after white space, or says false. */
function accept(cursor: Cursor, character: string): boolean {
  skipSpace(cursor);
  if (cursor.text[cursor.at] !== character) return false;
  cursor.at++;
  return true;
}

function parseArray(cursor: Cursor, depth: number): StrictJson[] {
  cursor.at++;
  const items: StrictJson[] = [];
  if (accept(cursor, ']')) return items;
  for (;;) {
    items.push(parseValue(cursor, depth + 1));
    if (accept(cursor, ']')) return items;
    if (!accept(cursor, ',')) throw fault(cursor, "',' or ']'");
  }
}

function parseObject(cursor: Cursor, depth: number): StrictObject {
  cursor.at++;
  const entries: StrictObject = new Map();
  if (accept(cursor, '}')) return entries;
  for (;;) {
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== '"') throw fault(cursor, 'a key in quotes');
    const key = parseString(cursor);
    if (entries.has(key)) throw fault(cursor, `no second key ${JSON.stringify(key)}`);
    if (key === '__proto__') throw fault(cursor, 'no key "__proto__"');
    if (!accept(cursor, ':')) throw fault(cursor, "':'");
    entries.set(key, parseValue(cursor, depth + 1));
    if (accept(cursor, '}')) return entries;
    if (!accept(cursor, ',')) throw fault(cursor, "',' or '}'");
  }
}

/** The literal up to its closing quote, its escapes left to `JSON.parse`, which also refuses control characters. */
function parseString(cursor: Cursor): string {
  const start = cursor.at;
  let end = cursor.text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(cursor.text, end)) end = cursor.text.indexOf('"', end + 1);
  if (end < 0) throw fault(cursor, 'the end of a string');
  cursor.at = end + 1;
  try {
    return JSON.parse(cursor.text.slice(start, end + 1)) as string;
  } catch {
    cursor.at = start;
    throw fault(cursor, 'a string of known escapes, without control characters');
  }
}

/** True when an odd number of backslashes stands before a quote. */
function isEscaped(text: string, quote: number): boolean {
  let first = quote;
  while (text[first - 1] === '\\') first--;
  return (quote - first) % 2 === 1;
}
