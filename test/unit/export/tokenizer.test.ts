/** The tokenizer.json of an export, read by Hugging Face's own library. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { llama2Tokenizer, type Tokenizer } from '../../../lib/data/tokenizer.ts';
import { collectPieces, pruneTokenizer } from '../../../lib/data/vocabulary.ts';
import { writeTokenizer } from '../../../lib/export/tokenizer.ts';
import { tokenizerCases } from '../../interop/tokenizer-cases.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const whole = await llama2Tokenizer();
const kept = await collectPieces([], whole);
const pruned = pruneTokenizer(whole, kept);

async function written(vocabulary: Parameters<typeof writeTokenizer>[1]): Promise<HuggingFaceTokenizer> {
  const folder = temporaryFolder('tristage-tokenizer-');
  await writeTokenizer(folder, vocabulary);
  const [json, config] = await Promise.all(
    ['tokenizer.json', 'tokenizer_config.json'].map(async (name) =>
      JSON.parse(await readFile(join(folder, name), 'utf8')),
    ),
  );
  return new HuggingFaceTokenizer(json, config);
}

const idsOf = (tokenizer: HuggingFaceTokenizer, text: string): number[] =>
  tokenizer.encode(text, { add_special_tokens: false }).ids;

/** What the README of an export says: a piece without a row stands for the bytes of its text. */
function known(ids: readonly number[], tokenizer: HuggingFaceTokenizer, own: Tokenizer): number[] {
  const one = (token: string): number => tokenizer.token_to_id(token) as number;
  const byte = (value: number): number => one(`<0x${value.toString(16).toUpperCase().padStart(2, '0')}>`);
  return ids.flatMap((id) =>
    id < own.vocabSize
      ? [id]
      : [...(tokenizer.id_to_token(id) as string)].flatMap((character) =>
          character === '\u2581' ? [one('\u2581')] : Array.from(new TextEncoder().encode(character), byte),
        ),
  );
}

describe('the tokenizer of an export', () => {
  test('gives every text the ids of the whole LLaMA tokenizer', async () => {
    const theirs = await written({ whole, tokenizer: whole });
    for (const { text, ids } of tokenizerCases(whole)) assert.deepEqual(idsOf(theirs, text), ids, JSON.stringify(text));
    assert.deepEqual(theirs.encode('a dog').ids, [1, ...whole.encode('a dog')]);
  });

  test('over kept pieces gives the model’s own ids, and ids without a row that stand for bytes', async () => {
    const theirs = await written({ whole, kept, tokenizer: pruned });
    let beyond = 0;
    for (const { text, ids } of tokenizerCases(pruned)) {
      const found = idsOf(theirs, text);
      if (found.some((id) => id >= kept.length)) beyond += 1;
      else assert.deepEqual(found, ids, JSON.stringify(text));
      assert.deepEqual(known(found, theirs, pruned), ids, JSON.stringify(text));
    }
    assert.ok(beyond > 100, 'random texts use pieces that were not kept');
    for (const text of ['[INST] <Img>', '</Img> [refer] where is {<12><34><56><100>} ? [/INST]']) {
      assert.deepEqual(idsOf(theirs, text), pruned.encode(text), text);
    }
    assert.equal(theirs.decode(pruned.encode('{<1><2><3><4>}')), '{<1><2><3><4>}');
  });
});
