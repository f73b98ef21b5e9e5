/** A pruned vocabulary: nothing that the data says is spelled out, and anything else still can be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emojiScenes } from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import { formatPhrase } from '../../../lib/data/boxes.ts';
import { encodeSample } from '../../../lib/data/encode.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { collectPieces, pruneTokenizer } from '../../../lib/data/vocabulary.ts';

const whole = await llama2Tokenizer();
const TURNS = { caption: 1, refer: 2, identify: 1, detection: 1, grounding: 1, vqa: 6, conversation: 1 };
const classes = ['dog', 'car', 'tree', 'apple', 'star', 'fish', 'house', 'butterfly'];
const emoji = await emojiScenes.open({
  root: '.',
  turns: TURNS,
  classes,
  minObjects: 1,
  maxObjects: 4,
  imageSize: 112,
  maxSide: 40,
});
const pieces = await collectPieces([emoji], whole);
const pruned = pruneTokenizer(whole, pieces);

/** A source that lists nothing. */
const captions: OpenSource = {
  name: 'captions',
  length: 5000,
  fingerprint: 'c',
  notes: [],
  get: async (index) => ({
    id: String(index),
    source: 'captions',
    task: 'caption',
    turns: [{ question: `[caption] zebra number ${index}`, answer: index === 0 ? 'a quaint giraffe' : 'a giraffe' }],
  }),
};

test('a language that a source lists covers every text that it gives, in a few hundred pieces', async () => {
  assert.ok(pieces.length > 300 && pieces.length < 800, `${pieces.length} pieces`);
  const known = new Set(pieces);
  for (let index = 0; index < 130 * 13; index++) {
    let draws = 0;
    const sample = await emoji.get(index, (bound) => (index * 31 + 7 * draws++) % bound).catch(() => undefined);
    if (sample === undefined) continue;
    const full = encodeSample(sample, { tokenizer: whole, imageTokens: 2 });
    for (const id of full.tokenIds)
      assert.ok(id < 0 || known.has(id), `${whole.piece(Math.max(0, id))} of ${sample.id}`);
    const compact = encodeSample(sample, { tokenizer: pruned, imageTokens: 2 });
    assert.equal(compact.tokenIds.length, full.tokenIds.length);
    assert.ok(compact.tokenIds.every((id) => id < pieces.length));
  }
});

test('special tokens and bytes keep their ids, and every box is written in kept pieces', () => {
  assert.deepEqual([pruned.unkId, pruned.bosId, pruned.eosId, pruned.vocabSize], [0, 1, 2, pieces.length]);
  for (let id = 0; id < 259; id++) assert.equal(pruned.piece(id), whole.piece(id));
  for (let step = 0; step <= 100; step++) {
    const text = formatPhrase(
      'dog',
      [
        [step / 100, 0, 1, 0.5],
        [0, step / 100, 1, 1],
      ],
      'round',
    );
    assert.equal(pruned.encode(text).length, whole.encode(text).length, text);
  }
});

test('any text comes back from its ids, words outside the vocabulary included', () => {
  assert.equal(
    pruned.decode(pruned.encode('a giraffe — 長頸鹿 on a red background')),
    'a giraffe — 長頸鹿 on a red background',
  );
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const options = { parseSpecials: false };
      assert.equal(pruned.decode(pruned.encode(text, options)), whole.decode(whole.encode(text, options)));
    }),
    { numRuns: 300 },
  );
});

test('a source that lists nothing is read, and other sources’ pieces stay', async () => {
  const both = await collectPieces([emoji, captions], whole);
  const known = new Set(both);
  for (const id of [...whole.encode('zebra'), ...whole.encode('giraffe'), ...pieces]) assert.ok(known.has(id));
  assert.deepEqual(await collectPieces([emoji, captions], whole), both);
});

test('a list that does not belong to the tokenizer is refused', () => {
  for (const wrong of [pieces.slice(1), pieces.toReversed(), [...pieces, 40000], []]) {
    assert.throws(() => pruneTokenizer(whole, wrong), { code: 'E_VOCABULARY' });
  }
});
