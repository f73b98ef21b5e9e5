/**
 * The tokenizer in the metadata of a GGUF file as the two files that Hugging Face's programs keep. Byte-level vocabularies only: their
 * merges stand in the file. (Keys: ggml's docs/gguf.md; what `pre` means: llama.cpp, llama-vocab.cpp.)
 */

import { TristageError } from '../core/errors.ts';
import type { GgufFile } from '../formats/gguf.ts';

/** Kinds of piece in `tokenizer.ggml.token_type`. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** How a text is cut before pieces are merged; the expression is that of GPT-2 in both. */
const PRE_TOKENIZERS: Readonly<Record<string, unknown>> = {
  'gpt-2': byteLevel(true),
  smollm: {
    type: 'Sequence',
    pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)],
  },
};

function byteLevel(cut: boolean) {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: cut };
}

/** tokenizer.json and tokenizer_config.json of a GGUF file. */
export interface GgufTokenizer {
  json: Readonly<Record<string, unknown>>;
  config: Readonly<Record<string, unknown>>;
}

/**
 * @param file its head is enough; no tensor is read
 * @throws TristageError E_TOKENIZER where the file holds no vocabulary of this kind
 */
export function ggufTokenizer({ metadata, path }: Pick<GgufFile, 'metadata' | 'path'>): GgufTokenizer {
  const value = (key: string): unknown => metadata.get(`tokenizer.ggml.${key}`);
  const refuse = (key: string, expected: string) => {
    const found = value(key);
    const shown = found === undefined ? `no tokenizer.ggml.${key}` : `tokenizer.ggml.${key} ${describe(found)}`;
    return refusal(path, shown, expected);
  };
  if (value('model') !== 'gpt2') throw refuse('model', 'gpt2, a byte-level vocabulary');
  const pre = PRE_TOKENIZERS[String(value('pre') ?? 'gpt-2')];
  if (pre === undefined) throw refuse('pre', Object.keys(PRE_TOKENIZERS).join(' or '));
  const tokens = texts(value('tokens'));
  if (tokens === undefined) throw refuse('tokens', 'a list of texts');
  const merges = texts(value('merges'));
  if (merges === undefined) throw refuse('merges', 'a list of texts');
  const types = Array.from((value('token_type') as ArrayLike<number> | undefined) ?? [], Number);
  if (types.length !== tokens.length) throw refuse('token_type', `${tokens.length} kinds`);
  const token = (key: string): string | undefined => {
    const id = value(key);
    if (id === undefined) return undefined;
    const text = tokens[Number(id)];
    if (text === undefined) throw refuse(key, `an id below ${tokens.length}`);
    return text;
  };
  const special = tokens.flatMap((content, id) => {
    const type = types[id];
    if (type !== CONTROL && type !== USER_DEFINED) return [];
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id, content, ...plain, special: type === CONTROL }];
  });
  const names = {
    bos_token: token('bos_token_id'),
    eos_token: token('eos_token_id'),
    unk_token: token('unknown_token_id'),
    pad_token: token('padding_token_id'),
  };
  return { json: tokenizerJson({ tokens, merges, special, pre }), config: configOf(names) };
}

function tokenizerJson(parts: {
  tokens: readonly string[];
  merges: readonly string[];
  special: readonly object[];
  pre: unknown;
}) {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: parts.special,
    normalizer: null,
    pre_tokenizer: parts.pre,
    post_processor: null,
    decoder: { ...byteLevel(true), add_prefix_space: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(parts.tokens.map((text, id) => [text, id])),
      merges: parts.merges.map((pair) => pair.split(' ')),
    },
  };
}

function configOf(names: Readonly<Record<string, string | undefined>>) {
  const known = Object.entries(names).filter(([, text]) => text !== undefined);
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(known),
    clean_up_tokenization_spaces: false,
  };
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

function describe(value: unknown): string {
  return typeof value === 'object' ? 'of another form' : String(value).slice(0, 80);
}

function refusal(path: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_TOKENIZER',
    message: 'the tokenizer of the GGUF file cannot be used',
    where: path,
    found,
    expected,
    fix: 'name the tokenizer.json of the language model under model.tokenizer',
  });
}
