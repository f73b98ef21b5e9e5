import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { openTokenizerFile } from '../../../lib/data/tokenizer-file.ts';
import { exportModel } from '../../../lib/export/export.ts';
import { minigptv2 } from '../../../lib/export/minigptv2.ts';
import { peft } from '../../../lib/export/peft.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { TINY, tinyExport } from './tiny-export.ts';

const FIXTURES = join(import.meta.dirname, '../../parity/fixtures');
const root = temporaryFolder('tristage-export-tokenizer-');

/** A tiny model that speaks through the tokenizer at a path. */
async function spoken(path: string) {
  const file = await openTokenizerFile(path);
  const { tokenizer } = file;
  const given = tinyExport({ ...TINY, llm: { ...TINY.llm, vocabulary: tokenizer.vocabSize } });
  return { ...given, subject: { ...given.subject, vocabulary: { whole: tokenizer, tokenizer, file } } };
}

test('an export holds the files of the tokenizer as they are, and names them by hash', async () => {
  const fixture = join(FIXTURES, 'fast-tokenizers/byte-level');
  const out = join(root, 'byte-level');
  const manifest = await exportModel({ ...(await spoken(fixture)), format: peft, options: {}, out });
  for (const folder of [out, join(out, 'base')])
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      assert.deepEqual(await readFile(join(folder, name)), await readFile(join(fixture, name)));
  const { sha256 } = await openTokenizerFile(out);
  assert.deepEqual([manifest.tokenizer.kind, manifest.tokenizer.sha256], ['fast', sha256]);
  assert.deepEqual([manifest.prompt.begin, manifest.prompt.end], ['<|im_start|>', '<|im_end|>']);
  const config = JSON.parse(await readFile(join(out, 'base/config.json'), 'utf8'));
  assert.deepEqual([config.bos_token_id, config.eos_token_id], [1, 2]);
});

test('a tokenizer.model gets a config that names the class which reads it', async () => {
  const out = join(root, 'sentencepiece');
  const model = join(FIXTURES, 'minigptv2-step/tokenizer.model');
  await exportModel({ ...(await spoken(model)), format: minigptv2, options: {}, out });
  assert.deepEqual(await readFile(join(out, 'base/tokenizer.model')), await readFile(model));
  const config = JSON.parse(await readFile(join(out, 'tokenizer_config.json'), 'utf8'));
  assert.deepEqual([config.tokenizer_class, config.bos_token, config.legacy], ['LlamaTokenizer', '<s>', true]);
});

test('MiniGPT-v2 reads no tokenizer.json, so that format refuses one and nothing appears', async () => {
  const out = join(root, 'refused');
  const given = await spoken(join(FIXTURES, 'fast-tokenizers/byte-level'));
  await assert.rejects(exportModel({ ...given, format: minigptv2, options: {}, out }), { code: 'E_EXPORT_FORMAT' });
  assert.ok(!existsSync(out));
});

test('the built-in tokenizer is still written anew', async () => {
  const out = join(root, 'llama');
  const manifest = await exportModel({ ...tinyExport(), format: peft, options: {}, out });
  assert.equal(manifest.tokenizer.kind, 'llama-2');
  assert.equal(manifest.prompt.end, (await llama2Tokenizer()).piece(2));
});

test('MiniGPT-v2 knows no tower of the DINOv2 family, so that format refuses one and nothing appears', async () => {
  const out = join(root, 'refused-tower');
  for (const option of [{ layerScale: true }, { qkvBias: true }, { pixels: 'imagenet' as const }]) {
    const given = tinyExport({ ...TINY, vision: { ...TINY.vision, ...option } });
    await assert.rejects(exportModel({ ...given, format: minigptv2, options: {}, out }), { code: 'E_EXPORT_FORMAT' });
    assert.ok(!existsSync(out));
  }
});

test('an export of such a tower is read back with its options', async () => {
  const out = join(root, 'dinov2');
  const options = { layerScale: true, qkvBias: true, finalNorm: true, pixels: 'imagenet' } as const;
  const given = tinyExport({ ...TINY, vision: { ...TINY.vision, ...options } });
  const manifest = await exportModel({ ...given, format: peft, options: {}, out });
  assert.deepEqual(manifest.model.vision, { ...TINY.vision, ...options });
  assert.deepEqual(manifest.image.mean, [0.485, 0.456, 0.406]);
});
