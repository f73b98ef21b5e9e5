/** Tokens as people read them: the piece of each, what kind it is, and whether training asks for it. */

import { byteOfPiece } from './bpe.ts';
import { type Example, IMAGE_SLOT } from './sample.ts';
import type { Tokenizer } from './tokenizer.ts';

/** `text`: a piece of the vocabulary; `byte`: one byte of a character that has no piece; `special`: such as the beginning of a row. */
export type TokenKind = 'text' | 'byte' | 'special';

/** One token. */
export interface TokenPiece {
  readonly kind: TokenKind;
  readonly id: number;
  /** As the vocabulary writes it, with `▁` for a space. */
  readonly piece: string;
  /** Of a byte that ends a character: the character. */
  readonly ends?: string;
  /** Whether the token before it is trained to predict it. */
  readonly supervised: boolean;
}

/** Places of one image; projected features stand there, so there is no id. */
export interface SlotRun {
  readonly kind: 'image';
  readonly slots: number;
}

/**
 * Every token of an example in order; image slots that follow each other are one entry.
 * @param tokenizer that encoded it
 * @throws RangeError for an id outside the vocabulary
 */
export function tokenPieces(
  { tokenIds, labels }: Pick<Example, 'tokenIds' | 'labels'>,
  tokenizer: Pick<Tokenizer, 'piece' | 'bosId' | 'eosId' | 'unkId' | 'padId'>,
): (TokenPiece | SlotRun)[] {
  const specials = new Set([tokenizer.bosId, tokenizer.eosId, tokenizer.unkId, tokenizer.padId]);
  const ends = charactersOf(tokenIds, tokenizer);
  const shown: (TokenPiece | SlotRun)[] = [];
  for (const [place, id] of tokenIds.entries()) {
    const last = shown.at(-1);
    if (id === IMAGE_SLOT) {
      if (last?.kind === 'image') shown[shown.length - 1] = { kind: 'image', slots: last.slots + 1 };
      else shown.push({ kind: 'image', slots: 1 });
      continue;
    }
    const piece = tokenizer.piece(id);
    const kind = specials.has(id) ? 'special' : byteOfPiece(piece) === undefined ? 'text' : 'byte';
    const ended = ends.get(place);
    // The first token of a row has none before it that could predict it.
    const supervised = place > 0 && (labels[place] ?? -1) >= 0;
    shown.push({ kind, id, piece, ...(ended === undefined ? {} : { ends: ended }), supervised });
  }
  return shown;
}

/** The characters that bytes spell, by the place of the last byte of each. */
function charactersOf(tokenIds: Int32Array, tokenizer: Pick<Tokenizer, 'piece'>): Map<number, string> {
  const bytes = Array.from(tokenIds, (id) => (id === IMAGE_SLOT ? undefined : byteOfPiece(tokenizer.piece(id))));
  const found = new Map<number, string>();
  for (let place = 0; place < bytes.length; ) {
    const length = characterLength(bytes, place);
    const character = decoded(bytes.slice(place, place + length));
    if (character !== undefined) found.set(place + length - 1, character);
    place += character === undefined ? 1 : length;
  }
  return found;
}

/** Bytes that a character has by its first one. */
function characterLength(bytes: readonly (number | undefined)[], place: number): number {
  const first = bytes[place] ?? 0;
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
