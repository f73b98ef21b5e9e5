/** Tokens as people read them: the piece of each, what kind it is, and whether training asks for it. */

import { byteOfPiece } from './bpe.ts';
import { bytesOfPiece } from './piece-bytes.ts';
import { type Example, IMAGE_SLOT } from './sample.ts';
import type { Tokenizer } from './tokenizer.ts';

/** `text`: whole characters; `byte`: parts of a character that has no piece; `special`: such as the beginning of a row. */
export type TokenKind = 'text' | 'byte' | 'special';

/** One token. */
export interface TokenPiece {
  readonly kind: TokenKind;
  readonly id: number;
  /** As the vocabulary writes it: with `▁` for a space, or a byte-level one with a character for each byte. */
  readonly piece: string;
  /** What a byte-level piece stands for. */
  readonly text?: string;
  /** Of parts of a character: their bytes, `E2 82`. */
  readonly bytes?: string;
  /** The characters that end with these bytes. */
  readonly ends?: string;
  /** Whether the token before it is trained to predict it. */
  readonly supervised: boolean;
}

/** Places of one image; projected features stand there, so there is no id. */
export interface SlotRun {
  readonly kind: 'image';
  readonly slots: number;
}

/** What is asked of a tokenizer here. */
export type PieceReader = Pick<Tokenizer, 'piece' | 'encode' | 'bosId' | 'eosId' | 'unkId' | 'padId'>;

/**
 * Every token of an example in order; image slots that follow each other are one entry.
 * @param tokenizer that encoded it
 * @throws RangeError for an id outside the vocabulary
 */
export function tokenPieces(
  { tokenIds, labels }: Pick<Example, 'tokenIds' | 'labels'>,
  tokenizer: PieceReader,
): (TokenPiece | SlotRun)[] {
  const spelling = spellingOf(tokenizer);
  const bytes = Array.from(tokenIds, (id) => spelling.bytes(id));
  const ends = charactersOf(bytes);
  const shown: (TokenPiece | SlotRun)[] = [];
  for (const [place, id] of tokenIds.entries()) {
    const last = shown.at(-1);
    if (id === IMAGE_SLOT) {
      if (last?.kind === 'image') shown[shown.length - 1] = { kind: 'image', slots: last.slots + 1 };
      else shown.push({ kind: 'image', slots: 1 });
      continue;
    }
    // The first token of a row has none before it that could predict it.
    const supervised = place > 0 && (labels[place] ?? -1) >= 0;
    const spelled = spelledOf(bytes[place], { byteLevel: spelling.byteLevel, ends: ends.get(place) });
    const kind = spelling.isSpecial(id) ? 'special' : spelled.bytes === undefined ? 'text' : 'byte';
    shown.push({ kind, id, piece: tokenizer.piece(id), ...spelled, supervised });
  }
  return shown;
}

function spellingOf(tokenizer: PieceReader) {
  const { bosId, eosId, unkId, padId } = tokenizer;
  const specials = new Set([bosId, eosId, unkId, padId]);
  const isSpecial = (id: number): boolean => specials.has(id);
  // Only byte-level vocabularies write a space with this letter.
  const byteLevel = tokenizer.encode('a b').some((id) => tokenizer.piece(id).startsWith('\u0120'));
  const ownByte = (piece: string): number[] | undefined => {
    const byte = byteOfPiece(piece);
    return byte === undefined ? undefined : [byte];
  };
  const bytes = (id: number): number[] | undefined => {
    if (id === IMAGE_SLOT || isSpecial(id)) return undefined;
    const piece = tokenizer.piece(id);
    return byteLevel ? bytesOfPiece(piece) : ownByte(piece);
  };
  return { isSpecial, bytes, byteLevel };
}

/** How a token reads: a piece of a byte-level vocabulary that is whole characters is a text, other bytes stay bytes. */
function spelledOf(
  bytes: readonly number[] | undefined,
  { byteLevel, ends }: { byteLevel: boolean; ends: string | undefined },
): Pick<TokenPiece, 'text' | 'bytes' | 'ends'> {
  if (bytes === undefined) return {};
  const text = byteLevel ? decoded(bytes) : undefined;
  if (text !== undefined) return { text };
  const digits = bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ');
  return { bytes: digits, ...(ends === undefined ? {} : { ends }) };
}

/** The characters that bytes of neighbouring tokens spell, by the place of the token that has the last byte of each. */
function charactersOf(tokens: readonly (readonly number[] | undefined)[]): Map<number, string> {
  const bytes = tokens.flatMap((own, place) => (own ?? [undefined]).map((byte) => ({ byte, place })));
  const found = new Map<number, string>();
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes[at]?.byte ?? 0);
    const character = decoded(bytes.slice(at, at + length).map(({ byte }) => byte));
    const last = bytes[at + length - 1]?.place;
    if (character !== undefined && last !== undefined) found.set(last, (found.get(last) ?? '') + character);
    at += character === undefined ? 1 : length;
  }
  return found;
}

/** Bytes that a character has by its first one. */
function characterLength(first: number): number {
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decoded(bytes: readonly (number | undefined)[]): string | undefined {
  if (bytes.includes(undefined)) return undefined;
  try {
    return UTF8.decode(Uint8Array.from(bytes as number[]));
  } catch {
    return undefined;
  }
}
