/**
 * The two pretrained models of the preset `smol`, where `tristage setup --weights smol` has put them into the cache: what they compute
 * equals what onnxruntime and transformers computed (test/parity/make/smol_outputs.py).
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { readWeights } from '../../lib/checkpoint/import.ts';
import { openTokenizerFile } from '../../lib/data/tokenizer-file.ts';
import { tf } from '../../lib/engine/tf.ts';
import { toFloat32 } from '../../lib/formats/host-tensor.ts';
import { deviceBatch, disposeBatch } from '../../lib/model/batch.ts';
import { llamaHidden, llamaLogits } from '../../lib/model/llama/model.ts';
import { blockContext, createMiniGpt, disposeMiniGpt, inputEmbeddings } from '../../lib/model/minigpt.ts';
import { visionParams } from '../../lib/model/params.ts';
import { preset } from '../../lib/model/presets.ts';
import { llamaShapes, POS_EMBED, visionShapes } from '../../lib/model/shapes.ts';
import { createParams, disposeParams } from '../../lib/model/store.ts';
import { evaVit, visualTokens } from '../../lib/model/vision/eva-vit.ts';
import { dryRunAll } from '../../lib/run/dry-run.ts';
import { weightsFolder } from '../../lib/run/setup-weights.ts';
import { compare, readCases } from '../parity/adapters/fast-tokenizers.ts';
import { readTensors } from '../parity/fixture.ts';
import { openTestEngine } from '../support/engine.ts';
import { relativeError } from '../support/tensors.ts';
import { keptLines } from './tiny-scenes.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = weightsFolder('smol');
const skip = existsSync(FOLDER) ? false : 'run `tristage setup --weights smol` first';
const LIMIT = 1e-3;
const { lora: _, ...config } = preset('smol');

/** The image of smol_outputs.py, f32[1, 3, 224, 224]. */
function waves(): Float32Array {
  const values = new Float32Array(3 * 224 * 224);
  for (let place = 0; place < values.length; place++) {
    const [c, y, x] = [Math.floor(place / 224 ** 2), Math.floor(place / 224) % 224, place % 224];
    values[place] = Math.sin(y / (9 + 4 * c)) + Math.cos(x / (13 - 2 * c)) * Math.sin((y + x) / 31);
  }
  return values;
}

test('the stages of configs/smol are planned: projector and adapters train, and 64 tokens stand for an image', async () => {
  const files = [1, 2, 3].map((stage) => join(ROOT, `configs/smol/stage${stage}.yaml`));
  // Weights may be missing from a plan; a tokenizer may not.
  const tokenizer = join(ROOT, 'test/parity/fixtures/fast-tokenizers/byte-level');
  const set = [`model.tokenizer=${tokenizer}`, 'data.maxTokens=600', 'data.packing.maxTokens=1200'];
  const runs = await dryRunAll({ files, set, registry, logger: keptLines().logger });
  assert.equal(runs.length, 3);
  for (const { plan } of runs) {
    assert.equal(plan.tokensPerImage, 64);
    assert.equal(plan.trainable, plan.parameters.projector + plan.parameters.lora);
  }
});

describe('the pretrained models of the preset smol', { skip }, () => {
  test('the tower sees what onnxruntime sees', async () => {
    await openTestEngine();
    const { features } = await expected();
    const shapes = visionShapes(config.vision);
    const path = join(FOLDER, 'vision.safetensors');
    const { tensors } = await readWeights({ path, expected: shapes, acceptShape: (name) => name === POS_EMBED });
    const source = (name: string) => ({ shape: tensors.get(name)!.shape, values: toFloat32(tensors.get(name)!) });
    const store = createParams({ shapes, source, trainable: () => false, seed: 0 });
    const params = visionParams(store, config.vision);
    const found = tf.tidy(() => {
      const pixels = tf.tensor4d(waves(), [1, 3, 224, 224]);
      const tokens = visualTokens({
        x: evaVit({ pixels, params, config: config.vision }),
        params,
        config: config.vision,
      });
      // The recording kept every 16th row, the cls row among them, which is dropped here.
      return Float32Array.from(
        tf
          .gather(
            tf.reshape(tokens, [256, 384]),
            Array.from({ length: 16 }, (_, row) => 16 * row + 15),
          )
          .dataSync(),
      );
    });
    disposeParams(store);
    const error = relativeError(found, features.subarray(384));
    assert.ok(error < LIMIT, `relative error ${error}`);
  });

  test('the language model continues a text as transformers does', async () => {
    await openTestEngine();
    const { ids, logits, best } = await expected();
    const { tensors } = await readWeights({ path: join(FOLDER, 'llm'), expected: llamaShapes(config.llm) });
    const model = createMiniGpt({
      config,
      trainable: () => false,
      seed: 0,
      source: (name) => {
        const tensor = tensors.get(name);
        tensors.delete(name);
        return tensor && { shape: tensor.shape, values: toFloat32(tensor) };
      },
    });
    const batch = deviceBatch(
      {
        tokenIds: ids,
        labels: ids,
        attentionMask: new Uint8Array(ids.length).fill(1),
        shape: [1, ids.length],
      },
      config,
    );
    const all = tf.tidy(() => {
      const { llama } = model.params;
      const embeddings = inputEmbeddings(model, batch);
      const hidden = llamaHidden({ embeddings, params: llama, context: blockContext(model, batch) });
      return Float32Array.from(llamaLogits({ hidden, params: llama }).dataSync());
    });
    disposeBatch(batch);
    disposeMiniGpt(model);
    const { vocabulary } = config.llm;
    const found = all.filter((_, place) => (place % vocabulary) % 64 === 0);
    const error = relativeError(found, logits);
    assert.ok(error < LIMIT, `relative error ${error}`);
    for (const [place, id] of best.entries()) {
      const row = all.subarray(place * vocabulary, (place + 1) * vocabulary);
      assert.equal(row.indexOf(Math.max(...row)), id, `token ${place}`);
    }
  });

  test('the tokenizer gives the ids of the library tokenizers, and those that transformers read from the GGUF file', async () => {
    const { tokenizer } = await openTokenizerFile(join(FOLDER, 'llm'));
    const cases = await readCases(join(ROOT, 'test/parity/fixtures/fast-tokenizers/smollm2.cases.json'));
    const result = compare('smollm2', tokenizer, cases);
    assert.ok(result.ok, result.detail);
    const { ids } = await expected();
    assert.deepEqual(Int32Array.from(tokenizer.encode(tokenizer.decode(ids))), ids);
  });
});

async function expected() {
  const tensors = await readTensors(join(ROOT, 'test/e2e/smol/expected.safetensors'));
  const ints = (name: string) => new Int32Array(tensors.get(name)!.bytes.slice().buffer);
  const floats = (name: string) => toFloat32(tensors.get(name)!);
  return { features: floats('features'), logits: floats('logits'), ids: ints('ids'), best: ints('best') };
}
