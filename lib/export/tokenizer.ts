/**
 * The LLaMA tokenizer as a `tokenizer.json` that the library `tokenizers` reads: byte-pair merging over the pieces, in the order of
 * their scores. A text gets a space mark in front and falls back to bytes, as the original does.
 *
 * Where the vocabulary is pruned, the cut stays that of all 32,000 pieces, for the model was taught that cut: kept pieces have the
 * model's ids, every other piece an id behind them, for which the model has no row. See docs/export.md.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byteOfPiece, SPACE_MARK } from '../data/bpe.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import type { ExportVocabulary } from './format.ts';

const CONFIG = 'tokenizer_config.json';

/** Writes tokenizer.json and tokenizer_config.json; for a tokenizer that was read from files, these, and the config that they lack. */
export async function writeTokenizer(folder: string, vocabulary: ExportVocabulary): Promise<void> {
  const { whole, file } = vocabulary;
  if (file === undefined)
    await writeFile(join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizerJson(vocabulary))}\n`);
  for (const [name, bytes] of file?.files ?? []) await writeFile(join(folder, name), bytes);
  if (file?.files.has(CONFIG)) return;
  const config = {
    // The slow class reads tokenizer.model; its rules before 2023 are those that the trainer follows.
    ...(file?.kind === 'sentencepiece'
      ? { tokenizer_class: 'LlamaTokenizer', legacy: true }
      : { tokenizer_class: 'PreTrainedTokenizerFast' }),
    bos_token: whole.piece(whole.bosId),
    eos_token: whole.piece(whole.eosId),
    unk_token: whole.piece(whole.unkId),
    add_bos_token: true,
    add_eos_token: false,
    clean_up_tokenization_spaces: false,
    model_max_length: 4096,
  };
  await writeFile(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

/** The content of tokenizer.json. */
export function tokenizerJson({ whole, kept, tokenizer }: ExportVocabulary) {
  const ids = numbering(whole, kept);
  const special = [tokenizer.unkId, tokenizer.bosId, tokenizer.eosId].sort((a, b) => a - b);
  const begin = whole.piece(whole.bosId);
  const sequence = (id: 'A' | 'B') => ({ Sequence: { id, type_id: id === 'A' ? 0 : 1 } });
  const start = (type: number) => ({ SpecialToken: { id: begin, type_id: type } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((id) => ({
      id,
      content: tokenizer.piece(id),
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: SPACE_MARK },
        { type: 'Replace', pattern: { String: ' ' }, content: SPACE_MARK },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [start(0), sequence('A')],
      pair: [start(0), sequence('A'), start(1), sequence('B')],
      special_tokens: { [begin]: { id: begin, ids: [tokenizer.bosId], tokens: [begin] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE_MARK }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: whole.piece(whole.unkId),
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(ids),
      merges: mergesOf(whole),
    },
  };
}

/** Id of each piece, in the order of ids: kept pieces first, the others behind them. */
function numbering(whole: Tokenizer, kept: readonly number[] | undefined): Map<string, number> {
  const chosen = new Set(kept);
  const others = Array.from({ length: whole.vocabSize }, (_, id) => id).filter((id) => !chosen.has(id));
  return new Map([...(kept ?? []), ...others].map((id, place) => [whole.piece(id), place]));
}

/**
 * Pairs that join, the best first. A pair is worth what the piece is worth that it makes; where several pairs make one piece, or pieces
 * have equal scores, as the runs of spaces, the longer left part comes first.
 */
function mergesOf(whole: Tokenizer): string[] {
  const ordinary = new Set<string>();
  const special = new Set([whole.bosId, whole.eosId, whole.unkId]);
  for (let id = 0; id < whole.vocabSize; id++) {
    const text = whole.piece(id);
    if (!special.has(id) && byteOfPiece(text) === undefined) ordinary.add(text);
  }
  const pairs = [...ordinary].flatMap((text, rank) => pairsOf(text, ordinary).map((pair) => ({ pair, rank, text })));
  const isRun = (text: string): boolean => text === SPACE_MARK.repeat(text.length);
  pairs.sort((a, b) => {
    const [runA, runB] = [isRun(a.text), isRun(b.text)];
    if (runA !== runB) return runA ? 1 : -1;
    if (!runA && a.rank !== b.rank) return a.rank - b.rank;
    return b.pair[0].length - a.pair[0].length || b.pair[1].length - a.pair[1].length;
  });
  return pairs.map(({ pair }) => pair.join(' '));
}

/** Every way in which a piece is made of two. */
function pairsOf(text: string, pieces: ReadonlySet<string>): [string, string][] {
  const characters = [...text];
  return characters.slice(1).flatMap((_, cut): [string, string][] => {
    const [left, right] = [characters.slice(0, cut + 1).join(''), characters.slice(cut + 1).join('')];
    return pieces.has(left) && pieces.has(right) ? [[left, right]] : [];
  });
}
