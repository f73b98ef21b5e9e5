/** A model whose frozen matrices lie in bfloat16 computes what float32 computes with the rounded numbers, to the bit. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { isNarrow } from '../../../lib/engine/narrow.ts';
import { storedIn } from '../../../lib/engine/precision.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { bfloat16ToFloat32, float32ToBfloat16 } from '../../../lib/formats/half.ts';
import { deviceBatch, disposeBatch } from '../../../lib/model/batch.ts';
import type { ModelConfig } from '../../../lib/model/config.ts';
import {
  createMiniGpt,
  disposeMiniGpt,
  type ForwardOptions,
  loadMiniGpt,
  type MiniGpt,
  tokenLosses,
} from '../../../lib/model/minigpt.ts';
import { modelShapes } from '../../../lib/model/shapes.ts';
import { trainableOf, type WeightStorage } from '../../../lib/model/store.ts';
import { openTestEngine } from '../../support/engine.ts';
import { normals } from '../../support/tensors.ts';
import { TINY, tinyBatch, withImage } from './tiny-model.ts';

const skip = (await openTestEngine()) === 'cpu' ? 'this backend holds float32 alone' : false;

const trains = (name: string): boolean => /lora_|llama_proj/.test(name);
const storage: WeightStorage = (name, shape) => storedIn({ precision: 'bf16', shape, frozen: !trains(name) });

/** Every weight at random, none at zero. */
function sources(config: ModelConfig): Map<string, Float32Array> {
  let seed = 1;
  return new Map(
    [...modelShapes(config)].map(([name, shape]) => {
      const next = normals(seed++);
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: size }, () => 0.3 * next())];
    }),
  );
}

const batch = tinyBatch([
  { ids: withImage(4, 5, 6, 7), supervised: 3 },
  { ids: withImage(9, 10), supervised: 1 },
]);

/** Losses of each token and gradients of their sum. */
function numbers(model: MiniGpt, options: ForwardOptions): Float32Array[] {
  const device = deviceBatch(batch, model.config);
  const { value, aux, grads } = valueAndGrads(() => {
    const losses = tokenLosses(model, device, options);
    return [tf.sum(losses), losses];
  }, [...trainableOf(model.store).values()]);
  const results = [aux[0], ...grads].map((tensor) => Float32Array.from(tensor?.dataSync() ?? []));
  tf.dispose([value, ...aux, ...grads.filter((grad): grad is Tensor => grad !== null)]);
  disposeBatch(device);
  return results;
}

/** The same model twice: in bfloat16 from exact numbers, and in float32 from numbers that were rounded before. */
function both(config: ModelConfig): { narrow: MiniGpt; rounded: MiniGpt } {
  const exact = sources(config);
  const request = { config, trainable: trains, seed: 0 };
  const source = (round: boolean) => (name: string) => {
    const shape = modelShapes(config).get(name) ?? [];
    const values = exact.get(name) ?? new Float32Array();
    const rounds = round && storage(name, shape) === 'bf16';
    return { shape, values: rounds ? bfloat16ToFloat32(float32ToBfloat16(values)) : values };
  };
  return {
    narrow: createMiniGpt({ ...request, source: source(false), storage }),
    rounded: createMiniGpt({ ...request, source: source(true) }),
  };
}

describe('a model with frozen matrices in bfloat16', { skip }, () => {
  for (const [what, config, options] of [
    ['with a head of its own', TINY, {}],
    ['with tied embeddings', { ...TINY, llm: { ...TINY.llm, tieEmbeddings: true } }, {}],
    ['recomputing its blocks', TINY, { recompute: true }],
    ['with logits everywhere', TINY, { supervisedOnly: false }],
  ] as const satisfies [string, ModelConfig, ForwardOptions][]) {
    test(`has the losses and gradients of the rounded numbers in float32, ${what}`, () => {
      const { narrow, rounded } = both(config);
      const before = tf.memory().numTensors;
      const found = numbers(narrow, options);
      assert.deepEqual(found, numbers(rounded, options));
      assert.ok(found.some((gradient) => gradient.some((value) => value !== 0)));
      assert.equal(tf.memory().numTensors, before);
      disposeMiniGpt(narrow);
      disposeMiniGpt(rounded);
    });
  }

  test('holds matrices in bfloat16, and vectors, tables that are added and what trains in float32', () => {
    const { narrow, rounded } = both(TINY);
    for (const [name, tensor] of narrow.store) {
      const isMatrix = /(proj|qkv|fc1|fc2|embed_tokens|lm_head)\.weight$/.test(name) && !trains(name);
      assert.equal(isNarrow(tensor), isMatrix, name);
    }
    disposeMiniGpt(narrow);
    disposeMiniGpt(rounded);
  });

  test('takes words as they are read, and refuses them for a weight that stays float32', async () => {
    const load = (asWords: (name: string, shape: readonly number[]) => boolean) =>
      loadMiniGpt({
        config: TINY,
        trainable: trains,
        storage,
        seed: 0,
        source: async (name) => {
          const shape = modelShapes(TINY).get(name) ?? [];
          const size = shape.reduce((a, b) => a * b, 1);
          if (asWords(name, shape)) return { shape, values: new Uint16Array(size).fill(0x3f81) };
          return { shape, values: new Float32Array(size) };
        },
      });
    const model = await load((name, shape) => storage(name, shape) === 'bf16');
    assert.equal(model.params.llama.lmHead.dataSync()[0], 1 + 2 ** -7);
    disposeMiniGpt(model);
    const before = tf.memory().numTensors;
    await assert.rejects(
      load((name) => name === 'llama_proj.weight'),
      { code: 'E_DTYPE', where: 'llama_proj.weight' },
    );
    assert.equal(tf.memory().numTensors, before);
  });
});
