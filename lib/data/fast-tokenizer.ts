/**
 * Tokenizers of Hugging Face's `tokenizer.json`, byte-level ones among them, through the package @huggingface/tokenizers. What it leaves
 * to its caller is here: names of special tokens inside a text are plain text where that is asked for, and the bytes of a byte-level
 * vocabulary become text as they do elsewhere, a byte order mark included.
 */

import { TristageError } from '../core/errors.ts';
import { bytesAsText, isByteLevel, withBytesJoined } from './piece-bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

/** The two files of a fast tokenizer, parsed. */
export interface FastTokenizerFiles {
  /** tokenizer.json. */
  json: unknown;
  /** tokenizer_config.json, which names the special tokens; where it says nothing, LLaMA's names are looked for. */
  config?: unknown;
}

type Json = Readonly<Record<string, unknown>>;

/** LLaMA's names, for files that come without a tokenizer_config.json. */
const USUAL = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' } as const;

const LONE_SURROGATE = /\p{Surrogate}/gu;

/**
 * A tokenizer over the content of a tokenizer.json.
 * @param name of the file, for errors
 * @throws TristageError E_TOKENIZER for content that is no tokenizer, and for one without a token that begins or ends a text
 */
export async function fastTokenizer({ json, config = {} }: FastTokenizerFiles, name: string): Promise<Tokenizer> {
  const { Tokenizer: Library } = await import('@huggingface/tokenizers');
  const file = objectOf(json, name);
  const settings = objectOf(config, name);
  const added = listOf(file['added_tokens']);
  // The library splits a text at every added token; without the special ones their names are text like any other.
  const ordinary = added.filter((token) => token['special'] !== true);
  const rest = { ...file, pre_tokenizer: withEveryDigit(file['pre_tokenizer']) };
  let whole: InstanceType<typeof Library>;
  let plain: InstanceType<typeof Library>;
  try {
    whole = new Library({ ...rest, added_tokens: added }, settings);
    plain = new Library({ ...rest, added_tokens: ordinary }, settings);
  } catch (cause) {
    throw refuse(name, (cause as Error).message, 'a tokenizer.json as the library `tokenizers` writes it', cause);
  }
  const ids = specialIds((text) => whole.token_to_id(text), { settings, name });
  const specials = new Set([
    ...Object.values(ids).filter((id) => id !== undefined),
    ...added.filter((token) => token['special'] === true).map((token) => Number(token['id'])),
  ]);
  const vocabSize = sizeOf(file, added, name);
  const piece = (id: number): string => {
    const text = Number.isInteger(id) && id >= 0 ? whole.id_to_token(id) : undefined;
    if (text === undefined) throw new RangeError(`token id ${id} is not in the vocabulary of ${vocabSize} pieces`);
    return text;
  };
  const addedIds = new Set(added.map((token) => Number(token['id'])));
  const decoder = whole.decoder as ((pieces: string[]) => string) | null;
  const spell = (run: readonly number[]): string => {
    const pieces = run.map(piece);
    if (isByteLevel(file['decoder'])) return bytesAsText(pieces);
    return decoder === null ? pieces.join(' ') : decoder(withBytesJoined(pieces));
  };
  return {
    ...ids,
    vocabSize,
    piece,
    encode(text, { bos = false, parseSpecials = true } = {}) {
      const input = text.replace(LONE_SURROGATE, '\ufffd');
      const found =
        input === '' ? [] : (parseSpecials ? whole : plain).encode(input, { add_special_tokens: false }).ids;
      const unknown = found.findIndex((id: number | undefined) => id === undefined);
      if (unknown >= 0) throw new RangeError(`the vocabulary has neither a piece nor bytes for a part of the text`);
      return bos ? [ids.bosId, ...found] : [...found];
    },
    decode(given, { skipSpecial = true } = {}) {
      const kept = Array.from(given).filter((id) => !(skipSpecial && specials.has(id)));
      return partsOf(kept, addedIds)
        .map((part) => (typeof part === 'number' ? piece(part) : spell(part)))
        .join('');
    },
  };
}

/** The library's `Digits` knows the ten of ASCII; the original takes every number of Unicode. */
function withEveryDigit(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part;
  const { type, pretokenizers, individual_digits: single } = part as Json;
  if (Array.isArray(pretokenizers)) return { ...part, pretokenizers: pretokenizers.map(withEveryDigit) };
  if (type !== 'Digits') return part;
  const pattern = { Regex: single === true ? '\\p{N}' : '\\p{N}+' };
  return { type: 'Split', pattern, behavior: 'Isolated', invert: false };
}

/** Runs of ordinary ids, and between them the added tokens, which stand as their names. */
function partsOf(ids: readonly number[], added: ReadonlySet<number>): (number | number[])[] {
  const parts: (number | number[])[] = [];
  for (const id of ids) {
    const last = parts.at(-1);
    if (added.has(id)) parts.push(id);
    else if (Array.isArray(last)) last.push(id);
    else parts.push([id]);
  }
  return parts;
}

type SpecialIds = Pick<Tokenizer, 'bosId' | 'eosId' | 'unkId' | 'padId'>;

function specialIds(
  idOf: (text: string) => number | undefined,
  { settings, name }: { settings: Json; name: string },
): SpecialIds {
  const named = (key: keyof typeof USUAL | 'pad_token'): number | undefined => {
    const given = settings[key];
    const text = typeof given === 'string' ? given : (given as { content?: unknown } | null | undefined)?.content;
    if (typeof text === 'string') {
      const id = idOf(text);
      if (id === undefined) throw refuse(name, `${key} ${JSON.stringify(text)}`, 'a token of the vocabulary');
      return id;
    }
    return key === 'pad_token' ? undefined : idOf(USUAL[key]);
  };
  const [bosId, eosId, unkId] = [named('bos_token'), named('eos_token'), named('unk_token')];
  if (eosId === undefined) throw refuse(name, 'no eos_token', 'a tokenizer_config.json beside it that names one');
  if (bosId === undefined) throw refuse(name, 'no bos_token', 'a tokenizer_config.json beside it that names one');
  // A vocabulary of bytes knows every text and may have no token for the unknown; the end of a text is special too.
  return { bosId, eosId, unkId: unkId ?? eosId, padId: named('pad_token') };
}

/** Rows that the vocabulary needs: one more than the highest id. */
function sizeOf(file: Json, added: readonly Json[], name: string): number {
  const vocab = objectOf(objectOf(file['model'], name)['vocab'], name);
  const ids = [...Object.values(vocab), ...added.map((token) => token['id'])].map(Number);
  const size = ids.reduce((highest, id) => Math.max(highest, id + 1), 0);
  if (Number.isSafeInteger(size) && size > 0 && ids.every((id) => Number.isInteger(id) && id >= 0)) return size;
  throw refuse(name, 'ids that are no whole numbers', 'ids from 0 on');
}

function objectOf(value: unknown, name: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw refuse(name, Array.isArray(value) ? 'a list' : typeof value, 'an object with model, vocabulary and decoder');
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

function refuse(name: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_TOKENIZER',
    message: 'the tokenizer cannot be used',
    where: name,
    found,
    expected,
    fix: "use the tokenizer files that belong to the language model's weights",
    cause,
  });
}
