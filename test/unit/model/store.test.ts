import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { checkModelConfig, loraScaling, type ModelConfig, tokensPerImage } from '../../../lib/model/config.ts';
import { initialValues } from '../../../lib/model/init.ts';
import { loraParams, modelParams } from '../../../lib/model/params.ts';
import { PRESET_NAMES, preset } from '../../../lib/model/presets.ts';
import { countValues, llamaShapes, loraShapes, modelShapes, visionShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams, trainableOf } from '../../../lib/model/store.ts';
import { openTestEngine } from '../../support/engine.ts';
import { TINY } from './tiny-model.ts';

await openTestEngine();

test('the 7B preset has the published numbers of weights', () => {
  const config = preset('minigptv2-7b');
  const lora = config.lora;
  assert.ok(lora);
  // 986,975,872 in the ViT at 448 px, and 2 x 1408 in ln_vision
  assert.equal(countValues(visionShapes(config.vision)), 986_975_872 + 2 * 1408);
  assert.equal(countValues(llamaShapes(config.llm)), 6_738_415_616);
  assert.equal(countValues(loraShapes(config.llm, lora)), 33_554_432);
  assert.equal(countValues(modelShapes(config)), 986_978_688 + 6_738_415_616 + 33_554_432 + 23_072_768);
  assert.equal(loraShapes(config.llm, lora).size, 128);
  assert.equal(tokensPerImage(config), 256);
});

test('every preset fits itself, is copied on request, and an unknown name is refused with the known ones', () => {
  for (const name of PRESET_NAMES) checkModelConfig(preset(name));
  preset('tiny').llm.layers = 99;
  assert.notEqual(preset('tiny').llm.layers, 99);
  assert.throws(() => preset('huge'), { code: 'E_PRESET', expected: PRESET_NAMES.join(', ') });
});

test('sizes that do not fit each other are refused by the name of the setting', () => {
  const wrong: [string, (config: ModelConfig) => void][] = [
    ['vision.imageSize', (config) => (config.vision.imageSize = 17)],
    ['vision.width', (config) => (config.vision.heads = 3)],
    ['vision patches', (config) => (config.join = 5)],
    ['llm.heads', (config) => (config.llm.kvHeads = 3)],
    ['llm.width', (config) => (config.llm.heads = 5)],
    ['lora.rank', (config) => (config.lora = { rank: 0, alpha: 1, dropout: 0, targets: [] })],
    ['lora.dropout', (config) => (config.lora = { rank: 1, alpha: 1, dropout: 1, targets: [] })],
  ];
  for (const [where, change] of wrong) {
    const config = structuredClone(TINY);
    change(config);
    assert.throws(() => checkModelConfig(config), { code: 'E_MODEL_CONFIG', where }, where);
  }
});

test('rank-stabilised adapters divide by the root of the rank', () => {
  const lora = { rank: 16, alpha: 8, dropout: 0, targets: [] };
  assert.equal(loraScaling(lora), 0.5);
  assert.equal(loraScaling({ ...lora, rslora: true }), 2);
});

test('start values depend on seed and name alone and follow the rules of their module', () => {
  const shapes = modelShapes(TINY);
  const of = (name: string, seed = 1) => initialValues({ seed, name, shapes });
  const a = 'llama_model.model.layers.0.self_attn.q_proj.lora_A.weight';
  assert.deepEqual(of(a), of(a));
  assert.notDeepEqual(of(a), of(a, 2));
  assert.notDeepEqual(of(a), of(a.replace('layers.0', 'layers.1')));
  const bound = 1 / Math.sqrt(TINY.llm.width);
  assert.ok(of(a).every((value) => Math.abs(value) <= bound) && of(a).some((value) => Math.abs(value) > bound / 2));
  assert.ok(of(a.replace('lora_A', 'lora_B')).every((value) => value === 0));
  const projectorBound = 1 / Math.sqrt(TINY.join * TINY.vision.width);
  for (const name of ['llama_proj.weight', 'llama_proj.bias']) {
    assert.ok(
      of(name).every((value) => Math.abs(value) <= projectorBound),
      name,
    );
    assert.ok(
      of(name).some((value) => Math.abs(value) > projectorBound / 2),
      name,
    );
  }
  assert.ok(of('llama_model.model.layers.1.input_layernorm.weight').every((value) => value === 1));
  assert.ok(of('ln_vision.bias').every((value) => value === 0));
  assert.ok(of('visual_encoder.blocks.0.attn.q_bias').every((value) => value === 0));
  const spread = Math.sqrt(of('llama_model.lm_head.weight').reduce((sum, v) => sum + v * v, 0) / (23 * 16));
  assert.ok(spread > 0.017 && spread < 0.023, `${spread}`);
  const deep = 'visual_encoder.blocks.1.mlp.fc2.weight';
  const deepSpread = Math.sqrt(of(deep).reduce((sum, v) => sum + v * v, 0) / of(deep).length);
  assert.ok(deepSpread > 0.008 && deepSpread < 0.012, `${deepSpread}`);
});

test('normal start values have the moments of a normal distribution and no order in them', () => {
  const name = 'llama_model.model.embed_tokens.weight';
  const values = initialValues({ seed: 3, name, shapes: new Map([[name, [500, 201]]]) });
  const mean = (of: (value: number, i: number) => number) =>
    values.reduce((sum, v, i) => sum + of(v / 0.02, i), 0) / 100500;
  assert.ok(Math.abs(mean((v) => v)) < 0.02);
  assert.ok(Math.abs(mean((v) => v * v) - 1) < 0.03);
  assert.ok(Math.abs(mean((v) => v ** 3)) < 0.06);
  assert.ok(Math.abs(mean((v) => v ** 4) - 3) < 0.2);
  for (const lag of [1, 2, 201])
    assert.ok(Math.abs(mean((v, i) => (v * (values[i + lag] ?? 0)) / 0.02)) < 0.02, `${lag}`);
  assert.ok(Math.abs(mean((v) => (Math.abs(v) < 1 ? 1 : 0)) - 0.6827) < 0.01);
});

test('a store holds variables where weights train, tensors elsewhere, and frees all of them', () => {
  const before = liveTensors().tensors;
  const trainable = (name: string) => name.startsWith('llama_proj.');
  const store = createParams({ shapes: modelShapes(TINY), source: () => undefined, trainable, seed: 1 });
  assert.deepEqual([...trainableOf(store).keys()], ['llama_proj.weight', 'llama_proj.bias']);
  assert.equal(store.size, modelShapes(TINY).size);
  assert.equal(liveTensors().tensors - before, store.size);
  const tree = modelParams(store, TINY);
  assert.equal(tree.vision.blocks.length, TINY.vision.depth);
  assert.equal(tree.lora?.layers[1]?.q_proj?.a, store.get('llama_model.model.layers.1.self_attn.q_proj.lora_A.weight'));
  assert.equal(tree.lora?.layers[1]?.down_proj?.b, store.get('llama_model.model.layers.1.mlp.down_proj.lora_B.weight'));
  disposeParams(store);
  assert.equal(liveTensors().tensors, before);
});

test('a weight of the wrong shape is refused by name, and what was created before it is freed', () => {
  const before = liveTensors().tensors;
  const name = 'llama_proj.bias';
  const source = (asked: string) => (asked === name ? { shape: [3], values: new Float32Array(3) } : undefined);
  assert.throws(() => createParams({ shapes: modelShapes(TINY), source, trainable: () => true, seed: 1 }), {
    code: 'E_WEIGHT_SHAPE',
    where: name,
    found: '[3]',
    expected: '[16]',
  });
  assert.equal(liveTensors().tensors, before);
});

test('a position embedding of another square grid is brought to the model’s', () => {
  const name = 'visual_encoder.pos_embed';
  const shapes = new Map([[name, [1, 17, 2]]]);
  const source = () => ({ shape: [1, 5, 2], values: new Float32Array(10).fill(3) });
  const store = createParams({ shapes, source, trainable: () => false, seed: 1 });
  const resized = store.get(name);
  assert.deepEqual(resized?.shape, [1, 17, 2]);
  assert.ok(resized?.dataSync().every((value) => Math.abs(value - 3) < 1e-6));
  disposeParams(store);
});

test('tied embeddings make the head the embedding matrix itself', () => {
  const config = { ...TINY, llm: { ...TINY.llm, tieEmbeddings: true } };
  assert.ok(!modelShapes(config).has('llama_model.lm_head.weight'));
  const store = createParams({ shapes: modelShapes(config), source: () => undefined, trainable: () => false, seed: 1 });
  const { llama } = modelParams(store, config);
  assert.equal(llama.lmHead, llama.embedTokens);
  disposeParams(store);
});

test('a tree over a store that lacks a weight names it', () => {
  const tensor = tf.scalar(1);
  assert.throws(() => loraParams(new Map([['x', tensor]]), { rank: 1, alpha: 1, dropout: 0, targets: ['q_proj'] }, 1), {
    code: 'E_WEIGHT_MISSING',
    where: 'llama_model.model.layers.0.self_attn.q_proj.lora_A.weight',
  });
  tensor.dispose();
});
