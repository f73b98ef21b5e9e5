import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PIECE_TYPE, type Piece, parseSentencePiece } from '../../../lib/data/sentencepiece.ts';
import { createTokenizer, llama2Tokenizer, loadSentencePiece } from '../../../lib/data/tokenizer.ts';
import { run } from '../../parity/adapters/tokenizer.ts';

const FIXTURES = join(import.meta.dirname, '../../parity/fixtures');
const modelBytes = readFileSync(join(FIXTURES, 'minigptv2-step/tokenizer.model'));
const llama = await llama2Tokenizer();

test('ids and texts equal those that the original tokenizer gave', async () => {
  for (const result of await run(join(FIXTURES, 'tokenizer'))) assert.ok(result.ok, result.detail);
});

test('the marks of a MiniGPT-v2 prompt have the ids of the published vocabulary', () => {
  assert.deepEqual(llama.encode('[INST] <Img>'), [518, 25580, 29962, 529, 25518, 29958]);
  assert.deepEqual(llama.encode('</Img>'), [1533, 25518, 29958]);
  assert.deepEqual(llama.encode('[refer]'), [518, 20275, 29962]);
  assert.deepEqual(llama.encode('[detection]'), [518, 29881, 2650, 428, 29962]);
});

test('names of special tokens can be kept as plain text', () => {
  assert.deepEqual(llama.encode('a</s>'), [263, 2]);
  const plain = llama.encode('a</s>', { parseSpecials: false });
  assert.ok(!plain.includes(2));
  assert.equal(llama.decode(plain), 'a</s>');
});

test('decoding without skipping spells special tokens, with the original’s space before the text between them', () => {
  assert.equal(llama.decode([1, 518, 25580, 29962, 2], { skipSpecial: false }), '<s> [INST]</s>');
  assert.equal(llama.decode([1, 1], { skipSpecial: false }), '<s><s>');
});

test('each byte that belongs to no character becomes one replacement character', () => {
  const byte = (value: number): number => value + 3;
  assert.equal(llama.decode([byte(0xe2), byte(0x82), 29874]), '\ufffd\ufffda');
  assert.equal(llama.decode([byte(0xe2), byte(0x82), byte(0xac)]), '€');
  assert.equal(llama.decode([byte(0xed), byte(0xa0), byte(0x80)]), '\ufffd\ufffd\ufffd');
  assert.equal(llama.decode([byte(0xc0), byte(0x80)]), '\ufffd\ufffd');
});

test('an id outside the vocabulary is an error, not silence', () => {
  for (const id of [-1, 32000, -200, 1.5]) assert.throws(() => llama.decode([id]), RangeError);
});

test('half a surrogate pair is encoded as the replacement character', () => {
  assert.deepEqual(llama.encode('a\ud800b'), llama.encode('a\ufffdb'));
});

test('the joined piece with the highest score wins, the leftmost among equals', () => {
  const pieces: Piece[] = ['<unk>', '<s>', '</s>', '\u2581', 'a', 'b', 'ab', 'ba', 'aa'].map((text, id) => ({
    text,
    score: id < 3 ? 0 : text === 'ba' ? -1 : -2,
    type: id === 0 ? PIECE_TYPE.unknown : id < 3 ? PIECE_TYPE.control : PIECE_TYPE.normal,
  }));
  const tokenizer = createTokenizer({ pieces, unkId: 0, bosId: 1, eosId: 2, dummyPrefix: false });
  assert.deepEqual(
    tokenizer.encode('aba').map((id) => tokenizer.piece(id)),
    ['a', 'ba'],
  );
  assert.deepEqual(
    tokenizer.encode('aaa').map((id) => tokenizer.piece(id)),
    ['aa', 'a'],
  );
});

test('without byte pieces a run of unknown characters is one unknown token', () => {
  const pieces: Piece[] = ['<unk>', '<s>', '</s>', 'a'].map((text, id) => ({
    text,
    score: 0,
    type: id === 0 ? PIECE_TYPE.unknown : id < 3 ? PIECE_TYPE.control : PIECE_TYPE.normal,
  }));
  const tokenizer = createTokenizer({ pieces, unkId: 0, bosId: 1, eosId: 2, dummyPrefix: false });
  assert.deepEqual(tokenizer.encode('axyza'), [3, 0, 3]);
});

test('user-defined pieces are taken whole, the longest first, and take part in no join', () => {
  const texts = ['<unk>', '<s>', '</s>', '\u2581', 'a', '<x>', '<x>y', 'a<x>'];
  const pieces: Piece[] = texts.map((text, id) => ({
    text,
    score: -id,
    type:
      id === 0
        ? PIECE_TYPE.unknown
        : id < 3
          ? PIECE_TYPE.control
          : id === 5 || id === 6
            ? PIECE_TYPE.userDefined
            : PIECE_TYPE.normal,
  }));
  const tokenizer = createTokenizer({ pieces, unkId: 0, bosId: 1, eosId: 2, dummyPrefix: false });
  assert.deepEqual(tokenizer.encode('a<x>a<x>ya'), [4, 5, 4, 6, 4]);
});

test('a model file cut at any place is refused or still whole in its pieces, never a crash', () => {
  for (let length = 0; length < modelBytes.length; length += 7) {
    try {
      parseSentencePiece(modelBytes.subarray(0, length));
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'E_TOKENIZER', `cut at ${length}: ${String(error)}`);
    }
  }
});

test('a model file with flipped bytes is read or refused with a code', () => {
  for (let place = 0; place < modelBytes.length; place += 11) {
    const bytes = Uint8Array.from(modelBytes);
    bytes[place] = (bytes[place] as number) ^ 0xff;
    try {
      loadSentencePiece(bytes).encode('hello world');
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'E_TOKENIZER', `flipped at ${place}: ${String(error)}`);
    }
  }
});

test('a model of another kind is refused by name', () => {
  assert.throws(() => loadSentencePiece(Uint8Array.of(0x12, 2, 0x18, 1), { name: 'x.model' }), {
    code: 'E_TOKENIZER',
    where: 'x.model',
    found: 'model type 1',
  });
  assert.throws(() => loadSentencePiece(new Uint8Array(0)), { code: 'E_TOKENIZER' });
});
