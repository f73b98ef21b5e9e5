/** A vocabulary as a SentencePiece `tokenizer.model`, so that both sides of a benchmark cut texts into the same tokens. */

import type { Piece } from '../../../data/sentencepiece.ts';

/** Fields of sentencepiece_model.proto. */
const FIELD = {
  model: { pieces: 1, trainer: 2, normalizer: 3 },
  piece: { text: 1, score: 2, type: 3 },
  trainer: { modelType: 3, size: 4, byteFallback: 35 },
  normalizer: { name: 1, dummyPrefix: 3, removeSpaces: 4, escapeSpaces: 5 },
} as const;
const BPE = 2;
/** Wire types of protocol buffers. */
const WIRE = { varint: 0, bytes: 2, fixed32: 5 } as const;

/** @param pieces place = id */
export function sentencePieceFile(pieces: readonly Piece[]): Uint8Array {
  const trainer = [
    varint(FIELD.trainer.modelType, BPE),
    varint(FIELD.trainer.size, pieces.length),
    varint(FIELD.trainer.byteFallback, 1),
  ];
  const normalizer = [
    bytes(FIELD.normalizer.name, Buffer.from('identity')),
    varint(FIELD.normalizer.dummyPrefix, 1),
    varint(FIELD.normalizer.removeSpaces, 0),
    varint(FIELD.normalizer.escapeSpaces, 1),
  ];
  return Buffer.concat([
    ...pieces.map((piece) => bytes(FIELD.model.pieces, pieceMessage(piece))),
    bytes(FIELD.model.trainer, Buffer.concat(trainer)),
    bytes(FIELD.model.normalizer, Buffer.concat(normalizer)),
  ]);
}

function pieceMessage({ text, score, type }: Piece): Buffer {
  const float = Buffer.alloc(4);
  float.writeFloatLE(score);
  return Buffer.concat([
    bytes(FIELD.piece.text, Buffer.from(text)),
    tag(FIELD.piece.score, WIRE.fixed32),
    float,
    varint(FIELD.piece.type, type),
  ]);
}

function varint(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, WIRE.varint), base128(value)]);
}

function bytes(field: number, content: Buffer): Buffer {
  return Buffer.concat([tag(field, WIRE.bytes), base128(content.length), content]);
}

function tag(field: number, wire: number): Buffer {
  return base128(field * 8 + wire);
}

function base128(value: number): Buffer {
  const parts: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) parts.push((rest % 128) | 128);
  return Buffer.from([...parts, rest]);
}
