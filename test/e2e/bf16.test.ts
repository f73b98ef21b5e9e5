/** Runs with frozen matrices in bfloat16, from the first step to what is made of them afterwards. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { readSafetensors } from '../../lib/formats/safetensors.ts';
import { evaluateRun } from '../../lib/run/eval.ts';
import { exportRun } from '../../lib/run/export.ts';
import { modelConfigOf } from '../../lib/run/model-config.ts';
import type { RunSummary } from '../../lib/run/run-folder.ts';
import { trainRun } from '../../lib/run/train.ts';
import { testEngine } from '../support/engine.ts';
import { writeEvaFile, writeLlamaFolder } from '../support/published-weights.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

const engine = testEngine() === 'cpu' ? 'torch' : testEngine();
const folder = newFolder();
const [eva, llama] = [join(folder, 'eva_vit_g.pth'), join(folder, 'llama')];
const ADAPTERS = 'train.trainable=[projector, lora]';
const BF16 = 'engine.precision=bf16';

/** Trains; `set` comes after what all runs here share. */
async function train(name: string, set: readonly string[], { stopAt = 0, resume = false } = {}): Promise<RunSummary> {
  const stop = new AbortController();
  return await trainRun({
    run: tinyRun(`engine.backend=${engine}`, ...set),
    folder: join(folder, name),
    resume,
    registry,
    logger: keptLines().logger,
    signal: stop.signal,
    onStep: ({ step }) => step === stopAt && stop.abort(),
  });
}

const model = (name: string, step = 4): string =>
  join(folder, name, 'checkpoints', `step-${step}`, 'model.safetensors');
const published = [`model.weights.vision=${eva}`, `model.weights.llm=${llama}`, ADAPTERS, BF16];

describe('a run in bf16', () => {
  before(async () => {
    const { vision, llm } = modelConfigOf(tinyRun().config);
    await writeEvaFile(eva, vision);
    await writeLlamaFolder(llama, llm);
    await train('whole', [ADAPTERS, BF16]);
    await train('published', published);
  });

  test('goes on as if it had never been stopped', async () => {
    await train('stopped', [ADAPTERS, BF16], { stopAt: 2 });
    await train('stopped', [ADAPTERS, BF16], { resume: true });
    assert.deepEqual(readFileSync(model('stopped')), readFileSync(model('whole')));
  });

  test('does not go on in another precision, nor a run in float32 in bf16', async () => {
    await assert.rejects(train('whole', [ADAPTERS, 'train.steps=6'], { resume: true }), { code: 'E_RESUME_CONFIG' });
  });

  test('saves frozen matrices as bfloat16 and everything else as float32', async () => {
    const tensors = await readSafetensors(model('whole'));
    const dtype = (name: string) => tensors.get(name)?.dtype;
    assert.equal(dtype('visual_encoder.blocks.0.attn.qkv.weight'), 'BF16');
    assert.equal(dtype('llama_model.model.embed_tokens.weight'), 'BF16');
    for (const name of [
      'visual_encoder.pos_embed',
      'visual_encoder.blocks.0.norm1.weight',
      'llama_model.model.norm.weight',
      'llama_proj.weight',
      'llama_model.model.layers.0.self_attn.q_proj.lora_A.weight',
    ])
      assert.equal(dtype(name), 'F32', name);
  });

  test('moves the losses of a run in float32 by less than a hundredth', async () => {
    const narrow = Number((await train('again', [ADAPTERS, BF16])).lossLast);
    const wide = Number((await train('wide', [ADAPTERS])).lossLast);
    assert.notEqual(narrow, wide);
    assert.ok(Math.abs(narrow - wide) < 0.01 * wide, `${narrow} and ${wide}`);
  });

  test('is a start for a run in float32 and for one in bf16, whose frozen matrices stay as they are', async () => {
    const init = `init.from=${join(folder, 'whole')}`;
    await train('child', [ADAPTERS, BF16, init, 'train.steps=2']);
    await train('wide-child', [ADAPTERS, init, 'train.steps=2']);
    const name = 'visual_encoder.blocks.0.attn.qkv.weight';
    const [parent, child, wide] = await Promise.all(
      [model('whole'), model('child', 2), model('wide-child', 2)].map(async (path) =>
        (await readSafetensors(path)).get(name),
      ),
    );
    assert.deepEqual(child, parent);
    assert.equal(wide?.dtype, 'F32');
    const words = new Uint16Array(wide.bytes.buffer, wide.bytes.byteOffset, wide.bytes.byteLength / 2);
    const upper = words.filter((_, i) => i % 2 === 1);
    assert.deepEqual(new Uint8Array(upper.buffer), Uint8Array.from(parent?.bytes ?? []));
  });

  test('is asked with the numbers that it was trained with', async () => {
    const { logger } = keptLines();
    const { report } = await evaluateRun({
      checkpoint: join(folder, 'published'),
      out: join(folder, 'asked'),
      registry,
      logger,
    });
    assert.ok(report);
  });

  test('takes published weights as they are into its exports, which hold in float32', async () => {
    for (const format of ['merged', 'peft', 'minigptv2']) {
      const out = join(folder, `published-${format}`);
      const { logger } = keptLines();
      const { manifest } = await exportRun({ checkpoint: join(folder, 'published'), format, out, registry, logger });
      assert.ok(
        manifest.parity.maxAbsLogitDiff <= manifest.parity.tolerance * Math.max(1, manifest.parity.maxAbsLogit),
      );
    }
  });
});
