/** Which pieces of LLaMA's tokenizer a run keeps, from its first stage on. */

import { join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { pruneTokenizer } from '../data/vocabulary.ts';
import { parseState } from '../train/state.ts';
import type { Parent } from './parent.ts';
import { type KnownTokenizer, openTokenizer } from './tokenizer.ts';

/** Kept pieces of the run that a checkpoint is of; undefined where it has the whole vocabulary. */
export function piecesOf({ state, path }: Checkpoint): readonly number[] | undefined {
  return parseState(state, join(path, 'state.json')).vocabulary;
}

/** The tokenizer that a checkpoint names by hash. */
export function knownTokenizer({ state, path }: Checkpoint): KnownTokenizer {
  return { sha256: parseState(state, join(path, 'state.json')).tokenizer, where: path };
}

/**
 * The tokenizer that the model of a checkpoint was trained with.
 * @throws TristageError E_TOKENIZER where it is not there any more, or another one is
 */
export async function tokenizerOf(checkpoint: Checkpoint, { model }: Pick<RunConfig, 'model'>): Promise<Tokenizer> {
  const { whole } = await openTokenizer(model, knownTokenizer(checkpoint));
  const pieces = piecesOf(checkpoint);
  return pieces === undefined ? whole : pruneTokenizer(whole, pieces);
}

/**
 * The pieces that a run takes over: its own where it goes on, else those of what it starts from.
 * @returns undefined where there is nothing to take over
 * @throws TristageError E_VOCABULARY when one of two stages is pruned and the other is not
 */
export function inheritedPieces(
  { model }: RunConfig,
  { checkpoint, parent }: { checkpoint?: Checkpoint | undefined; parent?: Pick<Parent, 'pieces' | 'path'> | undefined },
): readonly number[] | undefined {
  if (checkpoint !== undefined) return piecesOf(checkpoint);
  if (parent === undefined) return undefined;
  const { pieces, path } = parent;
  const theirs = pieces === undefined ? 'whole' : 'pruned';
  if (theirs === model.vocabulary) return pieces;
  throw new TristageError({
    kind: 'config',
    code: 'E_VOCABULARY',
    message: 'the run that this one starts from has another vocabulary',
    where: 'model.vocabulary',
    found: model.vocabulary,
    expected: `${theirs}, as ${path} has`,
    fix: `set model.vocabulary to ${theirs}`,
  });
}

/** The content of vocabulary.json: the kept pieces with their texts, for people and other programs. */
export function vocabularyFacts(tokenizer: Tokenizer, pieces: readonly number[]) {
  return {
    format: 1,
    tokenizer: 'llama-2',
    pieces: pieces.map((id, own) => ({ own, id, text: tokenizer.piece(own) })),
  };
}
