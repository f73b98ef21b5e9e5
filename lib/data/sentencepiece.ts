/**
 * Reads SentencePiece's `tokenizer.model` (a protocol buffer, sentencepiece_model.proto) as far as a BPE tokenizer of the
 * LLaMA family needs it. Whatever would change the ids and is not supported is refused, never passed over.
 */

import { TristageError } from '../core/errors.ts';
import { type ProtobufField, protobufFields } from '../formats/protobuf.ts';

/** The kinds of piece, with the numbers of the file format. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
export type PieceType = (typeof PIECE_TYPE)[keyof typeof PIECE_TYPE];

export interface Piece {
  text: string;
  score: number;
  type: PieceType;
}

/** What a BPE vocabulary says about itself. */
export interface PieceModel {
  /** Place = token id. */
  pieces: readonly Piece[];
  unkId: number;
  bosId: number;
  eosId: number;
  /** A space is put before every separately encoded text. */
  dummyPrefix: boolean;
}

const MODEL_BPE = 2;
// A mark at the beginning is a text like any other: LLaMA has a piece that is nothing else.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a `tokenizer.model`.
 * @param bytes the whole file
 * @param name of the file, for errors
 * @throws TristageError E_TOKENIZER for a damaged file and for models of another kind
 */
export function parseSentencePiece(bytes: Uint8Array, name = 'tokenizer.model'): PieceModel {
  const pieces: Piece[] = [];
  const trainer = new Map<number, number | Uint8Array>();
  const normalizer = new Map<number, number | Uint8Array>();
  for (const field of fieldsOf(bytes, name)) {
    if (field.number === 1) pieces.push(pieceOf(bytesOf(field, name), name));
    else if (field.number === 2) for (const f of fieldsOf(bytesOf(field, name), name)) trainer.set(f.number, f.value);
    else if (field.number === 3)
      for (const f of fieldsOf(bytesOf(field, name), name)) normalizer.set(f.number, f.value);
  }
  checkSupport(trainer, normalizer, name);
  const id = (field: number, fallback: number): number => {
    const value = trainer.get(field) ?? fallback;
    if (typeof value === 'number' && value >= 0 && value < pieces.length) return value;
    throw refuse(name, `special token id ${String(value)}`, `an id below the number of pieces, ${pieces.length}`);
  };
  const model = {
    pieces,
    unkId: id(40, 0),
    bosId: id(41, 1),
    eosId: id(42, 2),
    dummyPrefix: (normalizer.get(3) ?? 1) !== 0,
  };
  checkPieces(model, name);
  return model;
}

/** Refuses options that would change ids. Defaults are those of the file format: remove_extra_whitespaces is true if absent. */
function checkSupport(
  trainer: ReadonlyMap<number, number | Uint8Array>,
  normalizer: ReadonlyMap<number, number | Uint8Array>,
  name: string,
): void {
  const kind = trainer.get(3) ?? 1;
  if (kind !== MODEL_BPE) throw refuse(name, `model type ${String(kind)}`, `model type ${MODEL_BPE} (BPE)`);
  const charsmap = normalizer.get(2);
  if (charsmap instanceof Uint8Array && charsmap.length > 0) {
    throw refuse(name, 'a normalisation table', 'the identity normaliser, as LLaMA has it');
  }
  if ((normalizer.get(4) ?? 1) !== 0) throw refuse(name, 'remove_extra_whitespaces on', 'off');
  if ((normalizer.get(5) ?? 1) === 0) throw refuse(name, 'escape_whitespaces off', 'on');
  if ((trainer.get(24) ?? 0) !== 0) throw refuse(name, 'treat_whitespace_as_suffix on', 'off');
}

/** Refuses a vocabulary that cannot be searched: too few pieces, doubles, retired pieces, half a byte table. */
export function checkPieces(model: PieceModel, name: string): void {
  const seen = new Set<string>();
  let byteCount = 0;
  for (const [id, piece] of model.pieces.entries()) {
    if (piece.text === '' || seen.has(piece.text)) {
      throw refuse(
        name,
        `piece ${id} ${piece.text === '' ? 'empty' : `again ${JSON.stringify(piece.text)}`}`,
        'distinct texts',
      );
    }
    seen.add(piece.text);
    if (piece.type === PIECE_TYPE.unused) throw refuse(name, `piece ${id} of type unused`, 'none of that type');
    if (piece.type === PIECE_TYPE.byte) byteCount += 1;
  }
  if (byteCount !== 0 && byteCount !== 256) throw refuse(name, `${byteCount} byte pieces`, '256 or none');
  if (model.pieces.length === 0) throw refuse(name, 'no pieces', 'a vocabulary');
}

function pieceOf(bytes: Uint8Array, name: string): Piece {
  const piece: Piece = { text: '', score: 0, type: PIECE_TYPE.normal };
  for (const { number, value } of fieldsOf(bytes, name)) {
    if (number === 1 && value instanceof Uint8Array) piece.text = decodeUtf8(value, name);
    else if (number === 2 && value instanceof Uint8Array && value.length === 4) {
      piece.score = new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true);
    } else if (number === 3) {
      if (!(typeof value === 'number' && value >= 1 && value <= 6)) {
        throw refuse(name, `piece type ${String(value)}`, 'a type from 1 to 6');
      }
      piece.type = value as PieceType;
    }
  }
  if (Number.isNaN(piece.score)) throw refuse(name, `score NaN of ${JSON.stringify(piece.text)}`, 'a number');
  return piece;
}

function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw refuse(name, 'a piece that is not UTF-8', 'UTF-8', cause);
  }
}

function bytesOf(field: ProtobufField, name: string): Uint8Array {
  if (field.value instanceof Uint8Array) return field.value;
  throw refuse(name, `a number in field ${field.number}`, 'a message');
}

/** A negative int32 is written as 64 bits and comes out far above every id, which the id check refuses. */
function fieldsOf(bytes: Uint8Array, name: string): Generator<ProtobufField> {
  return protobufFields(bytes, (found, expected) => refuse(name, found, expected));
}

function refuse(name: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_TOKENIZER',
    message: 'the tokenizer model cannot be used',
    where: name,
    found,
    expected,
    fix: "use the SentencePiece BPE `tokenizer.model` that belongs to the language model's weights",
    cause,
  });
}
