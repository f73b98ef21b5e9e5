import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkLlamaSettings, parseLlamaSettings, publishedLlama } from '../../../lib/checkpoint/llama-settings.ts';
import { openWeights } from '../../../lib/checkpoint/weights-file.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { writeLlamaFolder } from '../../../lib/export/llama-folder.ts';
import { writeSafetensors } from '../../../lib/formats/safetensors.ts';
import { preset } from '../../../lib/model/presets.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { ggufBytes, soundGguf } from '../formats/gguf-bytes.ts';

const folder = temporaryFolder('tristage-llama-settings-');

/** LLaMA-2-7B-chat as an early upload describes it: no rope base, no heads of keys and values. */
const PUBLISHED = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  tie_word_embeddings: false,
};

describe('settings of published language models', () => {
  it('takes LLaMA-2-7B from its config.json, what is absent by the defaults of transformers', () => {
    const settings = parseLlamaSettings('config.json', PUBLISHED);
    assert.deepEqual(settings, preset('minigptv2-7b').llm);
    checkLlamaSettings(preset('minigptv2-7b').llm, { source: 'config.json', settings });
    const { rms_norm_eps: _, ...silent } = PUBLISHED;
    assert.equal(parseLlamaSettings('config.json', silent).rmsEps, 1e-6);
  });

  it('names every setting in which a run differs, with both values', () => {
    const own = { ...preset('minigptv2-7b').llm, ropeBase: 500000 };
    const settings = parseLlamaSettings('config.json', {
      ...PUBLISHED,
      rms_norm_eps: 1e-6,
      rope_scaling: { type: 'linear', factor: 2 },
    });
    assert.throws(() => checkLlamaSettings(own, { source: 'their/config.json', settings }), {
      code: 'E_LLAMA_MISMATCH',
      where: 'their/config.json',
      found: 'model.llm rmsEps: 0.00001; ropeBase: 500000; ropeScaling.type: none; ropeScaling.factor: none',
      expected:
        'rmsEps: 0.000001; ropeBase: 10000; ropeScaling.type: linear; ropeScaling.factor: 2, as their/config.json says',
    });
  });

  it('refuses maths that is not computed here', () => {
    const cases: [object, RegExp][] = [
      [{ model_type: 'qwen2' }, /qwen2/],
      [{ hidden_act: 'gelu' }, /hidden_act/],
      [{ attention_bias: true }, /attention_bias/],
      [{ mlp_bias: true }, /mlp_bias/],
      [{ head_dim: 64 }, /head_dim/],
      [{ rope_scaling: { rope_type: 'yarn', factor: 2 } }, /yarn/],
      [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /llama3/],
      [{ rope_scaling: 'linear' }, /rope/],
      [{ rope_theta: -1 }, /rope/],
      [{ num_hidden_layers: '32' }, /num_hidden_layers/],
      [{ tie_word_embeddings: 'no' }, /tie_word_embeddings/],
    ];
    for (const [change, pattern] of cases) {
      assert.throws(
        () => parseLlamaSettings('config.json', { ...PUBLISHED, ...change }),
        (error: Error & { code?: string; found?: string }) =>
          error.code === 'E_LLAMA_CONFIG' && pattern.test(`${error.found}`),
      );
    }
    for (const raw of [null, [], 3]) assert.throws(() => parseLlamaSettings('x', raw), { code: 'E_LLAMA_CONFIG' });
  });

  it('finds the settings beside the weights of a folder, and none beside a single file of something else', async () => {
    const path = join(folder, 'hf');
    await mkdir(path);
    await writeSafetensors(join(path, 'model.safetensors'), new Map());
    assert.equal(await publishedLlama(path), undefined);
    await writeFile(join(path, 'config.json'), JSON.stringify(PUBLISHED));
    assert.deepEqual((await publishedLlama(path))?.settings, preset('minigptv2-7b').llm);
    assert.equal((await publishedLlama(path))?.source, join(path, 'config.json'));
    await writeFile(join(path, 'config.json'), JSON.stringify({ model_type: 'vit' }));
    await assert.rejects(publishedLlama(path), { code: 'E_LLAMA_CONFIG' });
    assert.equal(await publishedLlama(join(path, 'model.safetensors')), undefined);
    await writeFile(join(path, 'config.json'), '{');
    await assert.rejects(publishedLlama(path), { code: 'E_LLAMA_CONFIG' });
  });
});

describe('a folder that is written here', () => {
  for (const ropeScaling of [
    { type: 'linear', factor: 4 },
    { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192 },
  ] as const) {
    it(`says of itself what it is, ${ropeScaling.type} scaling included`, async () => {
      const path = join(folder, `written-${ropeScaling.type}`);
      await mkdir(path);
      const config = { ...preset('minigptv2-7b').llm, rmsEps: 1e-6, kvHeads: 8, ropeBase: 500000, ropeScaling };
      const tokenizer = await llama2Tokenizer();
      const vocabulary = { whole: tokenizer, tokenizer };
      await writeLlamaFolder(path, { config, vocabulary, weights: new Map() });
      await writeSafetensors(join(path, 'model.safetensors'), new Map());
      assert.deepEqual((await publishedLlama(path))?.settings, config);
    });
  }
});

describe('GGUF files as weights', () => {
  const FIXTURE = join(import.meta.dirname, '../../parity/fixtures/gguf/tied.gguf');

  it('are found by their content, also as the only GGUF file of a folder', async () => {
    const path = join(folder, 'gguf');
    await mkdir(path);
    await copyFile(FIXTURE, join(path, 'a.gguf'));
    const file = await openWeights(path);
    await file.close();
    assert.equal(file.path, join(path, 'a.gguf'));
    assert.deepEqual(file.entries.get('blk.0.attn_k.weight'), {
      dtype: 'F32',
      shape: [16, 32],
      file: file.path,
      stored: 'Q4_0',
    });
    assert.equal((await publishedLlama(path))?.settings.tieEmbeddings, true);
    await copyFile(FIXTURE, join(path, 'b.gguf'));
    await assert.rejects(openWeights(path), { code: 'E_WEIGHTS_FOLDER', found: '2 GGUF files' });
  });

  it('are refused with another architecture, as one part of several, and with scaled frequencies', async () => {
    const sound = soundGguf();
    const path = join(folder, 'made.gguf');
    const opened = async (...entries: [string, string | number][]) => {
      await writeFile(path, ggufBytes({ ...sound, entries }).bytes);
      await (await openWeights(path)).close();
    };
    const heads: [string, number] = ['llama.attention.head_count', 2];
    await opened(['general.architecture', 'llama'], heads);
    for (const entries of [
      [['general.architecture', 'qwen2'], heads],
      [heads],
      [['general.architecture', 'llama']],
      [
        ['general.architecture', 'llama'],
        ['llama.attention.head_count', 'two'],
      ],
      [['general.architecture', 'llama'], heads, ['split.count', 3]],
    ] as [string, string | number][][]) {
      await assert.rejects(opened(...entries), { code: 'E_GGUF_MODEL' });
    }
    await writeFile(
      path,
      ggufBytes({
        entries: [['general.architecture', 'llama'], heads, ['llama.embedding_length', 32]],
        tensors: [{ name: 'rope_freqs.weight', axes: [8], type: 0, offset: 0 }],
        data: new Uint8Array(32),
      }).bytes,
    );
    await assert.rejects(publishedLlama(path), { code: 'E_GGUF_MODEL', found: /rope_freqs/ });
  });
});
