import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openTokenizerFile } from '../../../lib/data/tokenizer-file.ts';

const FIXTURES = join(import.meta.dirname, '../../parity/fixtures/fast-tokenizers');
const { tokenizer: byteLevel } = await openTokenizerFile(join(FIXTURES, 'byte-level'));
const { tokenizer: llamaLike } = await openTokenizerFile(join(FIXTURES, 'llama-like'));

/** Any text that has a UTF-8 form, with pieces that tokenizers stumble over. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(' ', '   ', ' '.repeat(40), '</s>', '<s>', '<0x0A>', '[INST]', '<|im_end|>', '<delim>', '\ufeff'),
      fc.constantFrom('\u{1f469}\u{1f3fd}\u200d\u{1f680}', '½', 'Ⅷ', '２', '\u0301', '\r\n', '\u2028', "'s", 'Ġ'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join('').replace(/\p{Surrogate}/gu, '\ufffd'));

test('a byte-level tokenizer gives back every text that it encodes', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const ids = byteLevel.encode(text, { parseSpecials: false });
      assert.equal(byteLevel.decode(ids), text);
      assert.ok(ids.every((id) => id >= 3 && id < byteLevel.vocabSize));
    }),
  );
});

test('a tokenizer with byte fallback gives back every text that it encodes, its own mark of a space aside', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const ids = llamaLike.encode(text, { parseSpecials: false });
      assert.equal(llamaLike.decode(ids), text.replaceAll('\u2581', ' '));
      assert.ok(ids.every((id) => id >= 3 && id < llamaLike.vocabSize));
    }),
  );
});
