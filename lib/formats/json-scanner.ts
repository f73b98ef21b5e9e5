/** Finds where the items of a JSON array, of an object or of a JSONL file begin and end, in pieces of any size. */

/** What is looked for; `keys` are those of an object, its values passed over. `key`: it stands under this key of the top-level object. */
export interface JsonTarget {
  kind: 'array' | 'object' | 'keys' | 'lines';
  key?: string;
}

/** One item as it stands in the file. */
export interface JsonItem {
  /** The key in its quotes; only for entries of an object. */
  readonly key?: Buffer;
  readonly bytes: Buffer;
  /** Where it begins, bytes from the start of the file. */
  readonly at: number;
}

export interface JsonScanner {
  /** Items that end in this piece; a piece must not be changed afterwards. */
  feed(chunk: Buffer): Iterable<JsonItem>;
  /** The item that ends with the file. @throws JsonScanError when the file ends too early */
  end(): readonly JsonItem[];
  /** True when everything that was looked for has been given. */
  readonly done: boolean;
}

/** Why a file is not what was looked for. */
export class JsonScanError extends Error {
  readonly at: number;
  readonly found: string;
  readonly expected: string;
  constructor(at: number, found: string, expected: string) {
    super(`byte ${at}: ${found}`);
    this.at = at;
    this.found = found;
    this.expected = expected;
  }
}

/** An item beyond this is damage, such as a quote that is never closed. */
const MAX_ITEM_BYTES = 64 << 20;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [BRACKET, BRACKET_END, BRACE, BRACE_END] = [0x5b, 0x5d, 0x7b, 0x7d] as const;
const NEWLINE = 0x0a;

/** What stands next. `first` and `next` differ in that an empty container may end at once. */
type Want = 'start' | 'first' | 'next' | 'colon' | 'value' | 'separator' | 'end';

interface State {
  want: Want;
  /** The container whose members are walked: the one looked for, or the top-level object on the way to it. */
  container: 'array' | 'object';
  /** True inside the container that was looked for. */
  inside: boolean;
  /** A value that has begun and not ended. */
  open: OpenValue | undefined;
  key: Buffer | undefined;
  /** Bytes of earlier pieces. */
  before: number;
}

interface OpenValue {
  role: 'key' | 'value';
  /** False for a value that is only passed over. */
  keep: boolean;
  at: number;
  pieces: Buffer[];
  size: number;
  depth: number;
  inString: boolean;
  /** A number or word: it ends at the byte after it. */
  scalar: boolean;
  escaped: boolean;
}

/** A scanner at the start of a file. */
export function createJsonScanner(target: JsonTarget): JsonScanner {
  if (target.kind === 'lines') return lineScanner();
  const state: State = {
    want: 'start',
    container: target.kind === 'array' && target.key === undefined ? 'array' : 'object',
    inside: target.key === undefined,
    open: undefined,
    key: undefined,
    before: 0,
  };
  return {
    get done() {
      return state.want === 'end';
    },
    feed: (chunk) => feed(state, target, chunk),
    end() {
      if (state.want === 'end') return [];
      throw new JsonScanError(state.before, 'the end of the file', expectedIn(state, target));
    },
  };
}

function* feed(state: State, target: JsonTarget, chunk: Buffer): Generator<JsonItem> {
  let at = state.before === 0 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? 3 : 0;
  while (at < chunk.length && state.want !== 'end') {
    if (state.open === undefined) {
      const byte = chunk[at] as number;
      if (byte <= 0x20) at++;
      else at = step(state, { target, byte, at });
      continue;
    }
    const start = at;
    at = valueEnd(state.open, chunk, at);
    const ended = isEnded(state.open, at < chunk.length ? chunk[at] : undefined);
    const bytes = closeValue(state, chunk.subarray(start, at), ended);
    if (bytes === undefined) continue;
    const { role, at: begin } = state.open;
    const item = finish(state, { target, role, begin, bytes });
    if (item !== undefined) yield item;
  }
  state.before += chunk.length;
}

/** One structural byte outside of values. @returns where to go on */
function step(state: State, { target, byte, at }: { target: JsonTarget; byte: number; at: number }): number {
  const place = state.before + at;
  const refuse = (): JsonScanError =>
    new JsonScanError(place, JSON.stringify(String.fromCharCode(byte)), expectedIn(state, target));
  const closing = state.container === 'array' ? BRACKET_END : BRACE_END;
  switch (state.want) {
    case 'start':
      if (byte !== (state.container === 'array' ? BRACKET : BRACE)) throw refuse();
      state.want = 'first';
      return at + 1;
    case 'colon':
      if (byte !== COLON) throw refuse();
      state.want = 'value';
      return at + 1;
    case 'separator':
      if (byte === closing) return close(state, refuse, at);
      if (byte !== COMMA) throw refuse();
      state.want = 'next';
      return at + 1;
    case 'first':
      if (byte === closing) return close(state, refuse, at);
      return begin(state, { target, byte, at, refuse });
    default:
      return begin(state, { target, byte, at, refuse });
  }
}

/** The container ends: the one looked for, or a top-level object without its key. */
function close(state: State, refuse: () => JsonScanError, at: number): number {
  if (!state.inside) throw refuse();
  state.want = 'end';
  return at + 1;
}

function begin(
  state: State,
  { target, byte, at, refuse }: { target: JsonTarget; byte: number; at: number; refuse: () => JsonScanError },
): number {
  const isKey = state.container === 'object' && state.want !== 'value';
  if (isKey && byte !== QUOTE) throw refuse();
  if (byte === BRACKET_END || byte === BRACE_END || byte === COMMA || byte === COLON) throw refuse();
  const wanted = !state.inside && !isKey && state.key !== undefined && keyText(state.key) === target.key;
  if (wanted) {
    if (byte !== (target.kind === 'array' ? BRACKET : BRACE)) throw refuse();
    const container = target.kind === 'array' ? 'array' : 'object';
    Object.assign(state, { inside: true, container, want: 'first', key: undefined });
    return at + 1;
  }
  state.open = {
    role: isKey ? 'key' : 'value',
    keep: isKey || (state.inside && target.kind !== 'keys'),
    at: state.before + at,
    pieces: [],
    size: 0,
    depth: 0,
    inString: false,
    scalar: byte !== QUOTE && byte !== BRACE && byte !== BRACKET,
    escaped: false,
  };
  return at;
}

/** Goes to the end of the open value or of the piece. @returns the place after the last byte that belongs to the value */
function valueEnd(open: OpenValue, chunk: Buffer, from: number): number {
  let { depth, inString, escaped } = open;
  let at = from;
  const { length } = chunk;
  if (open.scalar) {
    while (at < length && !endsScalar(chunk[at] as number)) at++;
    return at;
  }
  for (; at < length; at++) {
    const byte = chunk[at] as number;
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) {
        inString = false;
        if (depth === 0) break;
      }
    } else if (byte === QUOTE) inString = true;
    else if (byte === BRACE || byte === BRACKET) depth++;
    else if ((byte === BRACE_END || byte === BRACKET_END) && --depth === 0) break;
  }
  const ended = at < length;
  Object.assign(open, { depth: ended ? -1 : depth, inString, escaped });
  return ended ? at + 1 : at;
}

function endsScalar(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === BRACKET_END || byte === BRACE_END;
}

function isEnded(open: OpenValue, next: number | undefined): boolean {
  return open.scalar ? next !== undefined : open.depth === -1;
}

/** @returns the whole value when it has ended; empty for one that is passed over */
function closeValue(state: State, piece: Buffer, ended: boolean): Buffer | undefined {
  const open = state.open as OpenValue;
  open.size += piece.length;
  if (open.keep && open.size > MAX_ITEM_BYTES) {
    throw new JsonScanError(open.at, `an item of more than ${MAX_ITEM_BYTES} bytes`, 'smaller items');
  }
  if (open.keep && (!ended || open.pieces.length > 0)) open.pieces.push(piece);
  if (!ended) return undefined;
  return open.pieces.length === 0 ? piece : Buffer.concat(open.pieces);
}

function finish(
  state: State,
  { target, role, begin: at, bytes }: { target: JsonTarget; role: 'key' | 'value'; begin: number; bytes: Buffer },
): JsonItem | undefined {
  state.open = undefined;
  if (role === 'key') {
    state.key = bytes;
    state.want = 'colon';
    return target.kind === 'keys' ? { bytes, at } : undefined;
  }
  state.want = 'separator';
  if (!state.inside || target.kind === 'keys') return undefined;
  return target.kind === 'object' ? { key: state.key as Buffer, bytes, at } : { bytes, at };
}

function keyText(key: Buffer): string {
  try {
    return JSON.parse(key.toString('utf8')) as string;
  } catch {
    return '';
  }
}

function expectedIn({ want, container, inside }: State, { kind, key }: JsonTarget): string {
  if (!inside) return `${want === 'start' ? 'an object with ' : ''}an ${kind} under the key ${JSON.stringify(key)}`;
  if (want === 'start') return container === 'array' ? 'an array' : 'an object';
  if (want === 'colon') return "':'";
  return want === 'separator' ? `',' or the end of the ${container}` : `an item or the end of the ${container}`;
}

/** Lines between newlines; the last needs none. */
function lineScanner(): JsonScanner {
  let rest: Buffer[] = [];
  let size = 0;
  let before = 0;
  const take = (piece: Buffer, end: number): readonly JsonItem[] => {
    const bytes = rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
    rest = [];
    size = 0;
    return bytes.every((byte) => byte <= 0x20) ? [] : [{ bytes, at: end - bytes.length }];
  };
  return {
    done: false,
    *feed(chunk) {
      let at = before === 0 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? 3 : 0;
      for (let end = chunk.indexOf(NEWLINE, at); end >= 0; end = chunk.indexOf(NEWLINE, at)) {
        yield* take(chunk.subarray(at, end), before + end);
        at = end + 1;
      }
      if (at < chunk.length) rest.push(chunk.subarray(at));
      size += chunk.length - at;
      before += chunk.length;
      if (size > MAX_ITEM_BYTES) {
        throw new JsonScanError(before - size, `a line of more than ${MAX_ITEM_BYTES} bytes`, 'shorter lines');
      }
    },
    end: () => take(Buffer.alloc(0), before),
  };
}
