import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import type { ModelConfig } from '../../../lib/model/config.ts';
import { llamaShapes, loraShapes, modelShapes, type ShapeTable, visionShapes } from '../../../lib/model/shapes.ts';

const FIXTURES = fileURLToPath(new URL('../../parity/fixtures/', import.meta.url));

/** The sizes that the recorded model states. */
async function recordedModel(): Promise<ModelConfig> {
  const config = JSON.parse(await readFile(join(FIXTURES, 'minigptv2-step/config.json'), 'utf8'));
  const { dims, llama_config: llama, lora, eps } = config;
  return {
    vision: {
      imageSize: dims.img,
      patch: 14,
      width: dims.dim,
      depth: dims.depth,
      heads: dims.heads,
      mlpHidden: config.mlp_hidden,
      eps: eps.eva_blocks,
      lnEps: eps.ln_vision,
    },
    join: 4,
    llm: {
      vocabulary: llama.vocab_size,
      width: llama.hidden_size,
      mlpHidden: llama.intermediate_size,
      layers: llama.num_hidden_layers,
      heads: llama.num_attention_heads,
      kvHeads: llama.num_attention_heads,
      rmsEps: llama.rms_norm_eps,
      ropeBase: 10000,
      tieEmbeddings: false,
    },
    lora: { rank: lora.r, alpha: lora.alpha, dropout: lora.dropout, targets: lora.target_modules },
  };
}

/** Everything found, nothing left over but rotary buffers. */
async function readsWhole(path: string, expected: ShapeTable): Promise<void> {
  const { report } = await readWeights({ path: join(FIXTURES, path), expected });
  assert.deepEqual(report.found, [...expected.keys()]);
  assert.deepEqual([report.missing, report.unexpected, report.shapeMismatch], [[], [], []]);
  assert.ok(report.ignored.every(({ key }) => key.endsWith('rotary_emb.inv_freq')));
}

describe('recorded files and the shapes that the model asks for', () => {
  it('agree on every key of the whole model', async () => {
    await readsWhole('minigptv2-step/weights.safetensors', modelShapes(await recordedModel()));
  });

  it('agree on a plain LLaMA and on one that PEFT wrapped', async () => {
    const { llm, lora } = await recordedModel();
    const sizes = { ...llm, vocabulary: 320 };
    await readsWhole('llama/weights.safetensors', llamaShapes(sizes));
    await readsWhole('lora/weights.safetensors', new Map([...llamaShapes(sizes), ...loraShapes(sizes, lora!)]));
  });

  it('agree on the trained part that the reference saves, the rest being named as missing', async () => {
    const config = await recordedModel();
    const path = join(FIXTURES, 'minigptv2-step/checkpoint_1.pth');
    const expected = modelShapes(config);
    const optional = (name: string) => !/lora_|llama_proj/.test(name);
    const { report } = await readWeights({ path, expected, optional });
    assert.equal(report.found.length, 4 * config.llm.layers + 2);
    assert.equal(report.missing.length, expected.size - report.found.length);
    await assert.rejects(readWeights({ path, expected }), {
      code: 'E_WEIGHT_MISSING',
      found: /^14 of \d+; not visual_encoder/,
    });
  });

  it('disagree by name when the model is another one', async () => {
    const { vision } = await recordedModel();
    const path = join(FIXTURES, 'minigptv2-step/weights.safetensors');
    const ignore = (name: string) => !/^(visual_encoder|ln_vision)\./.test(name);
    const read = (change: Partial<typeof vision>) =>
      readWeights({ path, ignore, expected: visionShapes({ ...vision, ...change }) });
    await assert.rejects(read({ depth: 3 }), {
      code: 'E_WEIGHT_MISSING',
      found: /visual_encoder\.blocks\.2\.norm1\.weight/,
    });
    await assert.rejects(read({ depth: 1 }), { code: 'E_WEIGHT_UNKNOWN', found: /visual_encoder\.blocks\.1\./ });
    await assert.rejects(read({ mlpHidden: 400 }), {
      code: 'E_WEIGHT_SHAPE',
      found: /mlp\.fc1\.weight \[418, 96\], not \[400, 96\]/,
    });
    const accept = { acceptShape: (name: string) => name === 'visual_encoder.pos_embed' };
    const { report } = await readWeights({
      path,
      ignore,
      ...accept,
      expected: visionShapes({ ...vision, imageSize: 28 }),
    });
    assert.deepEqual(report.missing, []);
  });
});
