import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeSample } from '../../../lib/data/encode.ts';
import { IGNORE, IMAGE_SLOT, type Sample } from '../../../lib/data/sample.ts';
import { tokenPieces } from '../../../lib/data/token-pieces.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { openTokenizerFile } from '../../../lib/data/tokenizer-file.ts';
import { pruneTokenizer } from '../../../lib/data/vocabulary.ts';

const BYTE_LEVEL = join(import.meta.dirname, '../../parity/fixtures/fast-tokenizers/byte-level');
const tokenizer = await llama2Tokenizer();
const sample: Sample = {
  id: 'one',
  source: 'test',
  task: 'vqa',
  image: { path: 'photo.jpg' },
  turns: [
    { question: '[vqa] what does it cost?', answer: '5 € 🦙' },
    { question: 'and\nthis <s>?', answer: 'no' },
  ],
};
const example = encodeSample(sample, { tokenizer, imageTokens: 4 });

test('pieces give back every id, slot and label of the example that training encodes', () => {
  const shown = tokenPieces(example, tokenizer);
  const ids = shown.flatMap((token) =>
    token.kind === 'image' ? new Array<number>(token.slots).fill(IMAGE_SLOT) : [token.id],
  );
  assert.deepEqual(ids, [...example.tokenIds]);
  const labels = shown.flatMap((token) =>
    token.kind === 'image' ? new Array<number>(token.slots).fill(IGNORE) : [token.supervised ? token.id : IGNORE],
  );
  assert.deepEqual(labels, [...example.labels]);
  assert.equal(shown.filter(({ kind }) => kind === 'image').length, 1);
});

test('special tokens are told from the same letters in a text', () => {
  const shown = tokenPieces(example, tokenizer);
  const specials = shown.flatMap((token) => (token.kind === 'special' ? [token.piece] : []));
  assert.deepEqual(specials, ['<s>', '</s>', '<s>', '</s>']);
  assert.deepEqual(shown[0], { kind: 'special', id: 1, piece: '<s>', supervised: false });
  assert.equal(shown.at(-1)?.kind === 'special' && shown.at(-1), shown.at(-1));
});

test('the bytes of a character say which one they end, whatever stands beside them', () => {
  const bytes = tokenPieces(example, tokenizer).flatMap((token) => (token.kind === 'byte' ? [token] : []));
  assert.deepEqual(
    bytes.map((token) => [token.piece, token.bytes, token.ends]),
    [
      ['<0xF0>', 'F0', undefined],
      ['<0x9F>', '9F', undefined],
      ['<0xA6>', 'A6', undefined],
      ['<0x99>', '99', '🦙'],
      ['<0x0A>', '0A', '\n'],
    ],
  );
});

test('bytes that spell nothing stay bytes', () => {
  const broken = [0xf0, 0x9f, 0x41, 0xff, 0xc3].map((byte) => 3 + byte);
  const shown = tokenPieces({ tokenIds: Int32Array.from(broken), labels: new Int32Array(5).fill(IGNORE) }, tokenizer);
  assert.deepEqual(
    shown.map((token) => (token.kind === 'byte' ? token.ends : token)),
    [undefined, undefined, 'A', undefined, undefined],
  );
});

test('a pruned vocabulary shows its own ids, and words that it lacks as bytes', () => {
  const kept = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
    (id) => id < 259 || ['▁', '▁a', '▁c', 'at'].includes(tokenizer.piece(id)),
  );
  const pruned = pruneTokenizer(tokenizer, kept);
  const text = encodeSample(
    { ...sample, turns: [{ question: 'q', answer: 'a cat' }] },
    { tokenizer: pruned, imageTokens: 1 },
  );
  const answer = tokenPieces(text, pruned).filter((token) => token.kind !== 'image' && token.supervised);
  assert.deepEqual(
    answer.map((token) => (token.kind === 'image' ? '' : (token.ends ?? token.piece))),
    ['▁a', '▁', 'c', 'a', 't', '</s>'],
  );
  assert.ok(answer.every((token) => token.kind === 'image' || token.id < kept.length));
});

test('the first token of a row is not supervised, whatever its label says', () => {
  const [first] = tokenPieces({ tokenIds: Int32Array.of(500, 501), labels: Int32Array.of(500, 501) }, tokenizer);
  assert.equal(first?.kind === 'text' && first.supervised, false);
});

test('a byte-level vocabulary reads as its texts; what is no whole character reads as bytes', async () => {
  const { tokenizer: byteLevel } = await openTokenizerFile(BYTE_LEVEL);
  const text = encodeSample(
    { ...sample, turns: [{ question: 'a dog?', answer: 'the\ndog 🦙é' }] },
    { tokenizer: byteLevel, imageTokens: 2 },
  );
  const shown = tokenPieces(text, byteLevel);
  const ids = shown.flatMap((token) => (token.kind === 'image' ? [IMAGE_SLOT, IMAGE_SLOT] : [token.id]));
  assert.deepEqual(ids, [...text.tokenIds]);
  const answer = shown.flatMap((token) => (token.kind !== 'image' && token.supervised ? [token] : []));
  assert.equal(answer.map(({ text: own, ends }) => own ?? ends ?? '').join(''), 'the\ndog 🦙é');
  const bytes = answer.filter(({ kind }) => kind === 'byte').map(({ bytes: digits }) => digits);
  assert.ok(bytes.join(' ').includes('F0') && bytes.join(' ').includes('99'), bytes.join(' '));
  assert.ok(shown.some((token) => token.kind === 'text' && token.piece.startsWith('Ġ') && token.text?.startsWith(' ')));
  assert.equal(answer.at(-1)?.kind, 'special');
});
