/**
 * A tokenizer over the pieces that a run's texts can use: it cuts texts as the whole one does and numbers the kept pieces anew, so that
 * a small model needs no embedding and no head for the others. Any text can still be encoded: a piece that is not kept becomes the
 * bytes of its text.
 */

import { TristageError } from '../core/errors.ts';
import { randomStream } from '../core/rng.ts';
import { byteOfPiece, SPACE_MARK } from './bpe.ts';
import { encodePromptText } from './encode.ts';
import type { OpenSource } from './source.ts';
import { evaluationInstruction, isIdentified, TASKS, templatePool } from './task.ts';
import { buildPrompt } from './template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Samples of a source that are read for their texts where the source cannot list them. */
const SCANNED = 2000;
/** Keeps the draws of the scan apart from others. */
const SCAN_STREAM = 0x70696563;
/** Boxes with every digit, with one and with several behind a phrase: digits are pieces of their own, so others add nothing. */
const BOX_TEXTS = ['{<12><34><56><78>}', '<p>1</p> {<0><9><100><90>}<delim>{<1><2><3><4>},', '{<1><2><3><4>}?'];

/**
 * The pieces that the texts of some sources use, beside those that every vocabulary keeps: special tokens, the 256 bytes, the mark of a
 * space, and what the project's own prompts and boxes need. A source lists its texts or, where it cannot, 2000 samples spread
 * evenly over it are read; a piece that they do not show falls back to bytes.
 * @returns ids of the whole tokenizer, ascending
 * @throws RangeError for a tokenizer without byte pieces
 */
export async function collectPieces(sources: readonly OpenSource[], tokenizer: Tokenizer): Promise<number[]> {
  const kept = new Set(alwaysKept(tokenizer));
  const add = (text: string): void => {
    for (const id of idsOf(text, tokenizer)) kept.add(id);
  };
  for (const text of ownTexts()) add(text);
  for (const source of sources) {
    if (source.texts === undefined) for await (const text of scannedTexts(source)) add(text);
    else for (const text of source.texts()) add(text);
  }
  return [...kept].sort((a, b) => a - b);
}

/** Ids of a text wherever it may stand: as an answer, and in a prompt with and without image. */
function idsOf(text: string, tokenizer: Tokenizer): number[] {
  const prompts = [0, 1].flatMap((images) =>
    (['single', 'reference-train'] as const).map((spacing) =>
      buildPrompt({ question: text, images, hasImage: true, spacing }),
    ),
  );
  const asked = prompts.flatMap((prompt) => encodePromptText(prompt, { tokenizer, imageTokens: 0 }));
  return [...asked, ...tokenizer.encode(text, { parseSpecials: false })];
}

function ownTexts(): string[] {
  const instructions = TASKS.filter(isIdentified).flatMap((task) => [
    ...templatePool(task).map((template) => `[${task}] ${template.replace('{}', '')}`),
    evaluationInstruction(task, ''),
  ]);
  return [...instructions, ...BOX_TEXTS];
}

async function* scannedTexts(source: OpenSource): AsyncIterable<string> {
  const count = Math.min(source.length, SCANNED);
  for (let place = 0; place < count; place++) {
    const index = Math.floor((place * source.length) / count);
    const random = randomStream(SCAN_STREAM, index);
    let draws = 0;
    try {
      const { turns } = await source.get(index, (bound) => random.integer(draws++, bound));
      yield* turns.flatMap(({ question, answer }) => [question, answer]);
    } catch (error) {
      // A damaged sample has no text; training will replace and report it.
      if (!(error instanceof TristageError && error.kind === 'data')) throw error;
    }
  }
}

function alwaysKept({ vocabSize, piece, bosId, eosId, unkId, padId }: Tokenizer): number[] {
  const special = new Set([bosId, eosId, unkId, padId]);
  const kept: number[] = [];
  let bytes = 0;
  for (let id = 0; id < vocabSize; id++) {
    const byte = byteOfPiece(piece(id)) !== undefined;
    if (byte) bytes += 1;
    if (byte || special.has(id) || piece(id) === SPACE_MARK) kept.push(id);
  }
  if (bytes !== 256)
    throw new RangeError(`a vocabulary is pruned to bytes, but the tokenizer has ${bytes} byte pieces`);
  return kept;
}

/**
 * The tokenizer over kept pieces; id n is the n-th of them.
 * @param tokenizer the whole one
 * @param pieces its ids, ascending, with every special token, byte and the mark of a space
 * @throws TristageError E_VOCABULARY for a list that is not of this kind
 */
export function pruneTokenizer(tokenizer: Tokenizer, pieces: readonly number[]): Tokenizer {
  checkPieceList(tokenizer, pieces);
  const compact = new Map(pieces.map((id, place) => [id, place]));
  const own = (id: number): number => compact.get(id) as number;
  const bytes = new Uint32Array(256);
  for (const [place, id] of pieces.entries()) {
    const byte = byteOfPiece(tokenizer.piece(id));
    if (byte !== undefined) bytes[byte] = place;
  }
  const mark = pieces.findIndex((id) => tokenizer.piece(id) === SPACE_MARK);
  const spelled = (id: number): number[] =>
    [...tokenizer.piece(id)].flatMap((character) =>
      character === SPACE_MARK
        ? [mark]
        : Array.from(new TextEncoder().encode(character), (byte) => bytes[byte] as number),
    );
  const wholeId = (id: number): number => {
    const known = pieces[id];
    if (known === undefined) throw new RangeError(`token id ${id} is not in the vocabulary of ${pieces.length} pieces`);
    return known;
  };
  return {
    vocabSize: pieces.length,
    bosId: own(tokenizer.bosId),
    eosId: own(tokenizer.eosId),
    unkId: own(tokenizer.unkId),
    padId: tokenizer.padId === undefined ? undefined : own(tokenizer.padId),
    piece: (id) => tokenizer.piece(wholeId(id)),
    encode: (text, options) => tokenizer.encode(text, options).flatMap((id) => compact.get(id) ?? spelled(id)),
    decode: (ids, options) => tokenizer.decode(Array.from(ids, wholeId), options),
  };
}

function checkPieceList(tokenizer: Tokenizer, pieces: readonly number[]): void {
  const known = new Set(pieces);
  const missing = alwaysKept(tokenizer).find((id) => !known.has(id));
  const ascending = pieces.every((id, place) => Number.isInteger(id) && id > (pieces[place - 1] ?? -1));
  const last = pieces.at(-1) ?? 0;
  if (ascending && last < tokenizer.vocabSize && missing === undefined) return;
  throw new TristageError({
    kind: 'checkpoint',
    code: 'E_VOCABULARY',
    message: 'a list of kept pieces does not belong to the tokenizer',
    found: missing === undefined ? `${pieces.length} ids up to ${last}` : `no id ${missing}`,
    expected: `ascending ids below ${tokenizer.vocabSize}, special tokens and bytes among them`,
  });
}
