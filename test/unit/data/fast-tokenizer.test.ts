import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fastTokenizer } from '../../../lib/data/fast-tokenizer.ts';
import { openTokenizerFile } from '../../../lib/data/tokenizer-file.ts';
import { run } from '../../parity/adapters/fast-tokenizers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const FIXTURES = join(import.meta.dirname, '../../parity/fixtures');
const FAST = join(FIXTURES, 'fast-tokenizers');
const { tokenizer: byteLevel } = await openTokenizerFile(join(FAST, 'byte-level'));
const { tokenizer: llamaLike } = await openTokenizerFile(join(FAST, 'llama-like'));
const root = temporaryFolder('tristage-fast-tokenizer-');

const jsonOf = async (name: string) => JSON.parse(await readFile(join(FAST, name, 'tokenizer.json'), 'utf8'));

test('ids and texts equal those of the library tokenizers', async () => {
  for (const result of await run(FAST)) assert.ok(result.ok, `${result.name}: ${result.detail}`);
});

test('special tokens come from tokenizer_config.json, as a text or as an object', () => {
  const { bosId, eosId, unkId, padId, vocabSize } = byteLevel;
  assert.deepEqual([unkId, bosId, eosId, padId, vocabSize], [0, 1, 2, 2, 421]);
});

test('a tokenizer.json alone has the special tokens of LLaMA, if it has any', async () => {
  const alone = await fastTokenizer({ json: await jsonOf('llama-like') }, 'alone');
  assert.deepEqual([alone.unkId, alone.bosId, alone.eosId, alone.padId], [0, 1, 2, undefined]);
  await assert.rejects(fastTokenizer({ json: await jsonOf('byte-level') }, 'alone'), { code: 'E_TOKENIZER' });
});

test('names of special tokens inside a text are plain text unless they are asked for', () => {
  const plain = byteLevel.encode('a<|im_end|>b', { parseSpecials: false });
  assert.ok(!plain.includes(2));
  assert.equal(byteLevel.decode(plain), 'a<|im_end|>b');
  assert.ok(byteLevel.encode('a<|im_end|>b').includes(2));
  assert.equal(byteLevel.decode(byteLevel.encode('a<|im_end|>b')), 'ab');
  assert.equal(byteLevel.decode(byteLevel.encode('a<|im_end|>b'), { skipSpecial: false }), 'a<|im_end|>b');
});

test('added tokens that are not special are always read', () => {
  const [id, ...rest] = byteLevel.encode('<delim>', { parseSpecials: false });
  assert.deepEqual([id, rest], [420, []]);
  assert.equal(byteLevel.decode([420]), '<delim>');
});

test('BOS is put first where it is asked for, and an empty text has no ids', () => {
  assert.deepEqual(byteLevel.encode('', { bos: true }), [1]);
  assert.deepEqual(byteLevel.encode(''), []);
  assert.equal(byteLevel.decode([]), '');
});

test('half a surrogate pair is encoded as the replacement character', () => {
  assert.deepEqual(byteLevel.encode('a\ud800b'), byteLevel.encode('a\ufffdb'));
});

test('bytes that are no UTF-8 decode to replacement characters', () => {
  const [first = 0] = byteLevel.encode('\u{1f98a}');
  assert.equal(byteLevel.decode([first]), '\ufffd');
  const cut = llamaLike.encode('\u{1f98a}').slice(0, -1);
  assert.match(llamaLike.decode(cut), /\ufffd{3}$/);
});

test('an id outside the vocabulary is an error, not silence', () => {
  for (const tokenizer of [byteLevel, llamaLike])
    for (const id of [-1, 560, 1.5]) assert.throws(() => tokenizer.decode([id]), RangeError);
});

test('content that is no tokenizer is refused with the file named', async () => {
  const good = await jsonOf('byte-level');
  const broken = [null, [], {}, { ...good, model: {} }, { ...good, model: { type: 'Nothing', vocab: { a: 0 } } }];
  for (const json of [...broken, { ...good, model: { ...good.model, vocab: { a: -1 } } }])
    await assert.rejects(fastTokenizer({ json }, 'x.json'), { code: 'E_TOKENIZER', where: 'x.json' });
  const config = { bos_token: '<none>', eos_token: '<|im_end|>' };
  await assert.rejects(fastTokenizer({ json: good, config }, 'x.json'), { code: 'E_TOKENIZER' });
});

test('a folder is opened by its tokenizer.model, else by its tokenizer.json', async () => {
  const folder = join(root, 'both');
  await mkdir(folder);
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await writeFile(join(folder, name), await readFile(join(FAST, 'byte-level', name)));
  const json = await openTokenizerFile(folder);
  assert.equal(json.kind, 'fast');
  assert.deepEqual([...json.files.keys()], ['tokenizer.json', 'tokenizer_config.json']);
  await writeFile(join(folder, 'tokenizer.model'), await readFile(join(FIXTURES, 'minigptv2-step/tokenizer.model')));
  const model = await openTokenizerFile(folder);
  assert.equal(model.kind, 'sentencepiece');
  assert.notEqual(model.sha256, json.sha256);
});

test('equal files have equal hashes wherever they lie, other settings another hash', async () => {
  const { sha256 } = await openTokenizerFile(join(FAST, 'byte-level'));
  const copy = join(root, 'copy');
  await mkdir(copy);
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await writeFile(join(copy, name), await readFile(join(FAST, 'byte-level', name)));
  assert.equal((await openTokenizerFile(copy)).sha256, sha256);
  await writeFile(join(copy, 'tokenizer_config.json'), '{"bos_token":"<|im_end|>","eos_token":"<|im_end|>"}');
  assert.notEqual((await openTokenizerFile(copy)).sha256, sha256);
});

test('a path without a tokenizer, and a file that is no JSON, are refused', async () => {
  await mkdir(join(root, 'empty'));
  await writeFile(join(root, 'broken.json'), '{"model":');
  for (const name of ['empty', 'nothing', 'broken.json'])
    await assert.rejects(openTokenizerFile(join(root, name)), { code: 'E_TOKENIZER' });
});
