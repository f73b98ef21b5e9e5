/** The tokenizer of a run: LLaMA's own, or the one that its configuration names; and that it is still the one that was trained with. */

import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { llama2Tokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { openTokenizerFile, type TokenizerFile } from '../data/tokenizer-file.ts';

/** The tokenizer before a vocabulary is pruned. */
export interface RunTokenizer {
  whole: Tokenizer;
  /** Where it was read from files; absent: LLaMA's own. */
  file?: TokenizerFile | undefined;
}

/** What a checkpoint says of its tokenizer. */
export interface KnownTokenizer {
  /** Hash of its files; undefined for LLaMA's own. */
  sha256: string | undefined;
  /** The checkpoint. */
  where: string;
}

/**
 * Opens the tokenizer that `model.tokenizer` names.
 * @param known the tokenizer that the model was trained with, where it was trained
 * @throws TristageError E_TOKENIZER for files that cannot be used, or are others than those that were trained with; E_VOCABULARY for
 *   a vocabulary that is to be pruned and is not LLaMA's
 */
export async function openTokenizer(
  { tokenizer: path, vocabulary }: RunConfig['model'],
  known?: KnownTokenizer,
): Promise<RunTokenizer> {
  if (path !== undefined && vocabulary === 'pruned') throw prunedError(path);
  const file = path === undefined ? undefined : await openTokenizerFile(path);
  if (known !== undefined) checkTokenizer(file?.sha256, known);
  return file === undefined ? { whole: await llama2Tokenizer() } : { whole: file.tokenizer, file };
}

/**
 * @param sha256 hash of the tokenizer at hand; undefined for LLaMA's own
 * @throws TristageError E_TOKENIZER where a model was trained with another one
 */
export function checkTokenizer(sha256: string | undefined, known: KnownTokenizer): void {
  if (known.sha256 !== sha256) throw otherError(sha256, known);
}

/**
 * Checks that the model has a row for each piece, and that published weights are not read with a tokenizer of another size.
 * @throws TristageError E_VOCABULARY
 */
export function checkRows({ llm, weights, tokenizer }: RunConfig['model'], { whole }: RunTokenizer): void {
  const wrong = (expected: string, fix: string, message: string): TristageError =>
    new TristageError({
      kind: 'config',
      code: 'E_VOCABULARY',
      message,
      where: 'model.llm.vocabulary',
      found: String(llm.vocabulary),
      expected,
      fix,
    });
  if (llm.vocabulary < whole.vocabSize) {
    const fix = `set model.llm.vocabulary to ${whole.vocabSize}, or name another tokenizer under model.tokenizer`;
    throw wrong(`at least ${whole.vocabSize}`, fix, 'the model has fewer rows than the tokenizer has pieces');
  }
  if (tokenizer !== undefined || weights.llm === undefined) return;
  if (llm.vocabulary - whole.vocabSize < MOST_SPARE_ROWS) return;
  throw wrong(
    `${whole.vocabSize} and a few spare ones`,
    'set model.tokenizer to the tokenizer of these weights: their folder, their GGUF file, or a tokenizer.json',
    'published weights with many more rows than LLaMA’s tokenizer has pieces belong to another tokenizer',
  );
}

/** Rows that LLaMA models have beyond their pieces: for tokens added later, and to make the number round. */
const MOST_SPARE_ROWS = 1024;

function prunedError(path: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_VOCABULARY',
    message: 'only LLaMA’s own tokenizer is pruned',
    where: 'model.vocabulary',
    found: `pruned, with model.tokenizer ${path}`,
    expected: 'whole',
    fix: 'set model.vocabulary to whole, or leave model.tokenizer out',
  });
}

function otherError(found: string | undefined, { sha256, where }: KnownTokenizer): TristageError {
  const name = (hash: string | undefined): string =>
    hash === undefined ? 'LLaMA’s own tokenizer' : `the one with hash ${hash}`;
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_TOKENIZER',
    message: 'the tokenizer is another one than the model was trained with',
    where: `model.tokenizer, ${where}`,
    found: name(found),
    expected: name(sha256),
    fix: 'set model.tokenizer to the files that the run was trained with',
  });
}
