/** Which pieces of LLaMA's tokenizer a run keeps, from its first stage on. */

import { join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { llama2Tokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { pruneTokenizer } from '../data/vocabulary.ts';
import { parseState } from '../train/state.ts';
import { checkpointOf } from './weights.ts';

/** Kept pieces of the run that a checkpoint is of; undefined where it has the whole vocabulary. */
function piecesOf({ state, path }: Checkpoint): readonly number[] | undefined {
  return parseState(state, join(path, 'state.json')).vocabulary;
}

/** The tokenizer that the model of a checkpoint was trained with. */
export async function tokenizerOf(checkpoint: Checkpoint): Promise<Tokenizer> {
  const whole = await llama2Tokenizer();
  const pieces = piecesOf(checkpoint);
  return pieces === undefined ? whole : pruneTokenizer(whole, pieces);
}

/**
 * The pieces that a run takes over: its own where it goes on, else those of the run that it starts from.
 * @returns undefined where there is nothing to take over
 * @throws TristageError E_VOCABULARY when one of two stages is pruned and the other is not
 */
export async function inheritedPieces(
  { init, model }: RunConfig,
  checkpoint: Checkpoint | undefined,
): Promise<readonly number[] | undefined> {
  if (checkpoint !== undefined) return piecesOf(checkpoint);
  if (init === undefined) return undefined;
  const pieces = piecesOf(await checkpointOf(init.from));
  const parent = pieces === undefined ? 'whole' : 'pruned';
  if (parent === model.vocabulary) return pieces;
  throw new TristageError({
    kind: 'config',
    code: 'E_VOCABULARY',
    message: 'the run that this one starts from has another vocabulary',
    where: 'model.vocabulary',
    found: model.vocabulary,
    expected: `${parent}, as ${init.from} has`,
    fix: `set model.vocabulary to ${parent}`,
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
