/**
 * JSON for headers that decide how bytes are read. `JSON.parse` keeps the last of two equal keys, rounds integers beyond 2^53
 * and lets `__proto__` through; here each of these is an error, objects are Maps, and every number is a whole one.
 */

/** A value of such a header. */
export type StrictJson = string | number | boolean | null | StrictJson[] | StrictObject;

/** Keys in file order. */
export type StrictObject = Map<string, StrictJson>;

const DEEPEST = 32;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\p{Cc}]*/uy;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Where and why a text is not the JSON that is accepted here. */
export class StrictJsonError extends Error {}

/**
 * Parses a text that holds one JSON value and, around it, only white space.
 * @throws StrictJsonError naming the character offset and what was expected there
 */
export function parseStrictJson(text: string): StrictJson {
  const cursor: Cursor = { text, at: 0 };
  const value = parseValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.at < text.length) throw fault(cursor, 'nothing after the value');
  return value;
}

interface Cursor {
  readonly text: string;
  at: number;
}

function fault(cursor: Cursor, expected: string): StrictJsonError {
  const found =
    cursor.at < cursor.text.length ? JSON.stringify(cursor.text.slice(cursor.at, cursor.at + 16)) : 'the end';
  return new StrictJsonError(`at character ${cursor.at}: expected ${expected}, found ${found}`);
}

function skipSpace(cursor: Cursor): void {
  while (' \t\n\r'.includes(cursor.text[cursor.at] ?? 'x')) cursor.at++;
}

function parseValue(cursor: Cursor, depth: number): StrictJson {
  if (depth > DEEPEST) throw fault(cursor, `at most ${DEEPEST} levels of nesting`);
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
  if (!/^-?\d+$/.test(literal) || !Number.isSafeInteger(value)) throw fault(cursor, 'a whole number below 2^53');
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

function parseString(cursor: Cursor): string {
  cursor.at++;
  let result = '';
  for (;;) {
    PLAIN.lastIndex = cursor.at;
    const plain = PLAIN.exec(cursor.text)?.[0] ?? '';
    result += plain;
    cursor.at += plain.length;
    const stop = cursor.text[cursor.at];
    if (stop === '"') {
      cursor.at++;
      return result;
    }
    if (stop === '\\') result += parseEscape(cursor);
    else if (stop === '\x7f' || (stop !== undefined && stop >= '\x80')) {
      result += stop;
      cursor.at++;
    } else throw fault(cursor, 'the end of a string, without control characters');
  }
}

function parseEscape(cursor: Cursor): string {
  const letter = cursor.text[cursor.at + 1] ?? '';
  const simple = ESCAPES[letter];
  if (simple !== undefined) {
    cursor.at += 2;
    return simple;
  }
  const digits = cursor.text.slice(cursor.at + 2, cursor.at + 6);
  if (letter !== 'u' || !/^[0-9a-fA-F]{4}$/.test(digits)) throw fault(cursor, 'a JSON escape');
  cursor.at += 6;
  return String.fromCharCode(Number.parseInt(digits, 16));
}
