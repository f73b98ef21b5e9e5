/**
 * The tokenizer of LLaMA as MiniGPT-v2 calls it: transformers' slow `LlamaTokenizer` with its legacy behaviour. Every separately
 * encoded text gets a space in front; the names of the special tokens inside a text become those tokens and split it, and each
 * part is encoded on its own. (transformers 4.30: tokenization_llama.py; sentencepiece: sentencepiece_processor.cc)
 */

import { byteOfPiece, createMerger, SPACE_MARK } from './bpe.ts';
import { checkPieces, PIECE_TYPE, type Piece, type PieceModel, parseSentencePiece } from './sentencepiece.ts';

export interface EncodeTextOptions {
  /** Put the BOS id first. Default false. */
  bos?: boolean;
  /** Turn `<s>`, `</s>` and `<unk>` inside the text into special tokens. Default true, as the original does. */
  parseSpecials?: boolean;
}

export interface DecodeOptions {
  /** Leave out special tokens (unk, BOS, EOS, and pad where the tokenizer has one). Default true. */
  skipSpecial?: boolean;
}

/** Text to ids and back. */
export interface Tokenizer {
  encode(text: string, options?: EncodeTextOptions): number[];
  /** Ids outside the vocabulary are an error (RangeError). */
  decode(ids: readonly number[] | Int32Array, options?: DecodeOptions): string;
  /** The piece of an id as the vocabulary writes it. */
  piece(id: number): string;
  readonly vocabSize: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly unkId: number;
  /** Only where a piece was named as padding: decoding skips it with the specials. Nothing is masked by it. */
  readonly padId: number | undefined;
}

export interface TokenizerOptions {
  /** A vocabulary piece that counts as special when decoding; MiniGPT-v2 declares `$$`. */
  padPiece?: string;
  /** File name for errors. */
  name?: string;
}

/**
 * A tokenizer from the bytes of a `tokenizer.model`.
 * @throws TristageError E_TOKENIZER for a damaged or unsupported file
 */
export function loadSentencePiece(bytes: Uint8Array, options: TokenizerOptions = {}): Tokenizer {
  return createTokenizer(parseSentencePiece(bytes, options.name), options);
}

/**
 * The 32,000-piece vocabulary of LLaMA and LLaMA 2, from the package llama-tokenizer-js. That package has no scores: pieces
 * are stored in order of their score, and runs of spaces are joined last.
 */
export async function llama2Tokenizer(options: TokenizerOptions = {}): Promise<Tokenizer> {
  const pieces = await llama2Pieces();
  const model: PieceModel = { pieces, unkId: 0, bosId: 1, eosId: 2, dummyPrefix: true };
  checkPieces(model, 'llama-tokenizer-js');
  return createTokenizer(model, options);
}

/** The pieces of {@link llama2Tokenizer}; place = id. */
export async function llama2Pieces(): Promise<Piece[]> {
  const { default: source } = await import('llama-tokenizer-js');
  const firstScored = 259;
  return source.vocabById.map((text, id): Piece => {
    if (id === 0) return { text, score: 0, type: PIECE_TYPE.unknown };
    if (id < 3) return { text, score: 0, type: PIECE_TYPE.control };
    if (id < firstScored) return { text, score: 0, type: PIECE_TYPE.byte };
    const spaces = text.length > 1 && text === SPACE_MARK.repeat(text.length);
    return { text, score: spaces ? -1e9 : firstScored - id, type: PIECE_TYPE.normal };
  });
}

/** Half of a pair of UTF-16 units; it has no UTF-8 form. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** A tokenizer over a parsed vocabulary. */
export function createTokenizer(model: PieceModel, options: TokenizerOptions = {}): Tokenizer {
  const { pieces, unkId, bosId, eosId } = model;
  const merge = createMerger(pieces, unkId);
  const text = (id: number): string => {
    const piece = pieces[id];
    if (piece === undefined) throw new RangeError(`token id ${id} is not in the vocabulary of ${pieces.length} pieces`);
    return piece.text;
  };
  const padId =
    options.padPiece === undefined ? undefined : pieces.findIndex((piece) => piece.text === options.padPiece);
  if (padId === -1) throw new RangeError(`the vocabulary has no piece ${options.padPiece}`);
  const specials = new Map([unkId, bosId, eosId].map((id) => [text(id), id]));
  const splitter = new RegExp(`(${[...specials.keys()].map((name) => name.replace(/[^\w\s]/g, '\\$&')).join('|')})`);
  const plain = (part: string): number[] =>
    part === ''
      ? []
      : merge(
          (model.dummyPrefix ? SPACE_MARK : '') + part.replace(LONE_SURROGATE, '\ufffd').replaceAll(' ', SPACE_MARK),
        );
  const isSpecial = (id: number): boolean => id === unkId || id === bosId || id === eosId || id === padId;
  return {
    vocabSize: pieces.length,
    bosId,
    eosId,
    unkId,
    padId,
    piece: text,
    encode(input, { bos = false, parseSpecials = true } = {}) {
      const ids: number[] = bos ? [bosId] : [];
      for (const part of parseSpecials ? input.split(splitter) : [input]) {
        const special = parseSpecials ? specials.get(part) : undefined;
        if (special !== undefined) ids.push(special);
        else for (const id of plain(part)) ids.push(id);
      }
      return ids;
    },
    decode(ids, { skipSpecial = true } = {}) {
      const kept = skipSpecial ? [...ids].filter((id) => !isSpecial(id)) : [...ids];
      return decodeWithSpecials(kept, { isSpecial, text, pieces, dummyPrefix: model.dummyPrefix });
    },
  };
}

interface DecodeTools {
  isSpecial(id: number): boolean;
  text(id: number): string;
  pieces: readonly Piece[];
  dummyPrefix: boolean;
}

/** Special tokens stand as their names; the original puts a space before the text that precedes one. */
function decodeWithSpecials(ids: readonly number[], tools: DecodeTools): string {
  let output = '';
  let run: number[] = [];
  let afterSpecial = false;
  for (const [place, id] of ids.entries()) {
    if (!tools.isSpecial(id)) {
      run.push(id);
      afterSpecial = false;
      continue;
    }
    if (!afterSpecial && place !== 0) output += ' ';
    output += decodeRun(run, tools) + tools.text(id);
    run = [];
    afterSpecial = true;
  }
  return output + decodeRun(run, tools);
}

/** Ordinary pieces: the mark is a space, the first one is the added prefix and goes, byte pieces join to UTF-8. */
function decodeRun(ids: readonly number[], tools: DecodeTools): string {
  let output = '';
  let bytes: number[] = [];
  let prefixPossible = tools.dummyPrefix;
  const flush = (): void => {
    if (bytes.length > 0) output += decodeBytes(bytes);
    bytes = [];
  };
  for (const id of ids) {
    let text = tools.text(id);
    if (tools.pieces[id]?.type === PIECE_TYPE.byte) {
      bytes.push(byteOfPiece(text) as number);
      prefixPossible = false;
      continue;
    }
    flush();
    if (tools.pieces[id]?.type === PIECE_TYPE.control) continue;
    if (prefixPossible && text.startsWith(SPACE_MARK)) text = text.slice(1);
    prefixPossible = false;
    output += text.replaceAll(SPACE_MARK, ' ');
  }
  flush();
  return output;
}

/** UTF-8 with one replacement character for each byte that belongs to no character, as SentencePiece has it. */
function decodeBytes(bytes: readonly number[]): string {
  let output = '';
  for (let place = 0; place < bytes.length; ) {
    const length = validLength(bytes, place);
    if (length === 0) {
      output += '\ufffd';
      place += 1;
    } else {
      output += UTF8.decode(Uint8Array.from(bytes.slice(place, place + length)));
      place += length;
    }
  }
  return output;
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes of the well-formed character at `place`, or 0. */
function validLength(bytes: readonly number[], place: number): number {
  const first = bytes[place] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || place + length > bytes.length) return 0;
  for (let next = 1; next < length; next++) if (((bytes[place + next] as number) & 0xc0) !== 0x80) return 0;
  const second = bytes[place + 1] as number;
  const overlong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90);
  const outside = (first === 0xed && second > 0x9f) || (first === 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}
