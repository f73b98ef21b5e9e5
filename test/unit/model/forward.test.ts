import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { deviceBatch, disposeBatch, type ModelBatch } from '../../../lib/model/batch.ts';
import { loraMask, mergedWeight } from '../../../lib/model/lora.ts';
import { disposeMiniGpt, type ForwardOptions, type MiniGpt, tokenLosses } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { TINY, tinyBatch, tinyModel, withImage } from './tiny-model.ts';

await openTestEngine();

const model = tinyModel();
after(() => disposeMiniGpt(model));

const batch = tinyBatch([
  { ids: withImage(4, 5, 6, 7), supervised: 3 },
  { ids: withImage(9, 10), supervised: 1 },
]);

/** Losses of a batch on the host. */
function losses(of: MiniGpt, host: ModelBatch, options: ForwardOptions = {}): Float32Array {
  const device = deviceBatch(host, of.config);
  const tensor = tokenLosses(of, device, options);
  const values = Float32Array.from(tensor.dataSync());
  tensor.dispose();
  disposeBatch(device);
  return values;
}

/** Gradients of the summed loss by name, on the host. */
function gradients(of: MiniGpt, host: ModelBatch, options: ForwardOptions = {}): Map<string, Float32Array | null> {
  const trainable = trainableOf(of.store);
  const device = deviceBatch(host, of.config);
  const { value, grads } = valueAndGrads(() => tf.sum(tokenLosses(of, device, options)), [...trainable.values()]);
  const named = [...trainable.keys()].map((name, i): [string, Float32Array | null] => {
    const values = grads[i]?.dataSync();
    return [name, values === undefined ? null : Float32Array.from(values)];
  });
  tf.dispose([value, ...grads.filter((grad): grad is Tensor => grad !== null)]);
  disposeBatch(device);
  return new Map(named);
}

function assertSameGradients(a: Map<string, Float32Array | null>, b: Map<string, Float32Array | null>): void {
  assert.deepEqual([...a.keys()], [...b.keys()]);
  for (const [name, values] of a) {
    const others = b.get(name) ?? null;
    if (values === null || others === null) assert.equal(values, others, name);
    else assert.ok(relativeError(values, others) < 1e-4, `${name}: ${relativeError(values, others)}`);
  }
}

test('logits at every position give the losses of logits at supervised positions', () => {
  assert.ok(relativeError(losses(model, batch, { supervisedOnly: false }), losses(model, batch)) < 1e-5);
});

test('the loss of a row does not depend on its neighbours or on its padding', () => {
  const alone = tinyBatch([{ ids: withImage(4, 5, 6, 7), supervised: 3 }]);
  assert.ok(relativeError(losses(model, alone), losses(model, batch).subarray(0, 3)) < 1e-5);
  const longer = tinyBatch([
    { ids: withImage(4, 5, 6, 7), supervised: 3 },
    { ids: withImage(9, 10, 11, 12, 13, 14, 15), supervised: 1 },
  ]);
  assert.ok(relativeError(losses(model, longer).subarray(0, 3), losses(model, batch).subarray(0, 3)) < 1e-5);
});

test('a token changes the losses behind it and not those before it', () => {
  const changed = tinyBatch([
    { ids: withImage(4, 5, 6, 8), supervised: 3 },
    { ids: withImage(9, 10), supervised: 1 },
  ]);
  const before = losses(model, batch);
  const now = losses(model, changed);
  assert.ok(relativeError(now.subarray(0, 2), before.subarray(0, 2)) < 1e-6);
  const earlier = tinyBatch([
    { ids: withImage(3, 5, 6, 7), supervised: 3 },
    { ids: withImage(9, 10), supervised: 1 },
  ]);
  assert.ok(relativeError(losses(model, earlier).subarray(0, 3), before.subarray(0, 3)) > 1e-3);
});

test('each image reaches its own row', () => {
  const other = { ...batch, pixels: Uint8Array.from(batch.pixels as Uint8Array) };
  other.pixels.fill(200, other.pixels.length / 2);
  const before = losses(model, batch);
  const now = losses(model, other);
  assert.ok(relativeError(now.subarray(0, 3), before.subarray(0, 3)) < 1e-6);
  assert.ok(Math.abs((now[3] ?? 0) - (before[3] ?? 0)) > 1e-3);
});

test('recomputation changes no loss and no gradient', () => {
  assert.deepEqual(losses(model, batch, { recompute: true }), losses(model, batch));
  const plain = gradients(model, batch);
  assert.ok([...plain.values()].every((values) => values?.some((value) => value !== 0)));
  assertSameGradients(gradients(model, batch, { recompute: true }), plain);
});

test('dropout replays by seed, step, layer, target and row, also under recomputation', () => {
  const dropout = { rate: 0.4, seed: 1, step: 5, rows: [0, 1] };
  const dropped = losses(model, batch, { dropout });
  assert.deepEqual(losses(model, batch, { dropout }), dropped);
  assert.notDeepEqual(losses(model, batch, { dropout: { ...dropout, step: 6 } }), dropped);
  assert.notDeepEqual(losses(model, batch, { dropout: { ...dropout, seed: 2 } }), dropped);
  assert.notDeepEqual(
    losses(model, batch, { dropout: { ...dropout, rows: [2, 1] } }).subarray(0, 3),
    dropped.subarray(0, 3),
  );
  assertSameGradients(gradients(model, batch, { dropout, recompute: true }), gradients(model, batch, { dropout }));
  const alone = tinyBatch([{ ids: withImage(4, 5, 6, 7), supervised: 3 }]);
  assert.ok(relativeError(losses(model, alone, { dropout: { ...dropout, rows: [0] } }), dropped.subarray(0, 3)) < 1e-5);
});

/** Correlation of the rows of a matrix of 0 and 1, over all pairs: mean of its square, and largest. */
function correlations(rows: readonly (readonly number[])[]): { meanSquare: number; largest: number } {
  const centred = rows.map((row) => {
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
    const spread = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0));
    return row.map((value) => (value - mean) / spread);
  });
  let [squares, largest, pairs] = [0, 0, 0];
  for (const [i, a] of centred.entries()) {
    for (const b of centred.slice(i + 1)) {
      const correlation = a.reduce((sum, value, j) => sum + value * b[j]!, 0);
      squares += correlation ** 2;
      largest = Math.max(largest, Math.abs(correlation));
      pairs++;
    }
  }
  return { meanSquare: squares / pairs, largest };
}

test('a dropout mask drops at the given rate, independently in rows and in columns, and differs between sites', () => {
  const side = 256;
  const dropout = { rate: 0.25, seed: 3, step: 1, rows: [0, 7] };
  const mask = loraMask(dropout, { layer: 0, target: 'q_proj' }, [2, side / 2, side]);
  const other = loraMask(dropout, { layer: 0, target: 'v_proj' }, [2, side / 2, side]);
  assert.equal(mask.dtype, 'bool');
  const values = Array.from(mask.dataSync());
  const rows = Array.from({ length: side }, (_, i) => values.slice(i * side, (i + 1) * side));
  const columns = rows.map((_, j) => rows.map((row) => row[j]!));
  const kept = values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(kept - 0.75) < 0.01, `${kept}`);
  // Of independent rows the square of a correlation is 1 / side in the mean; the largest of 32,640 is some 4.3 times its root.
  for (const lines of [rows, columns, [...rows, Array.from(other.dataSync().slice(0, side))]]) {
    const { meanSquare, largest } = correlations(lines);
    assert.ok(Math.abs(meanSquare * side - 1) < 0.05 && largest < 6 / Math.sqrt(side), `${meanSquare} ${largest}`);
  }
  assert.notDeepEqual(Array.from(other.dataSync()), values);
  tf.dispose([mask, other]);
});

test('adapters left out give the language model alone, adapters merged the adapted one', () => {
  const plain = losses(model, batch);
  const without = losses(model, batch, { withoutAdapters: true });
  assert.ok(relativeError(without, plain) > 1e-3);
  const { llama, lora } = model.params;
  assert.ok(lora);
  const merged: Tensor[] = [];
  const blocks = llama.blocks.map((block, layer) => {
    const linears = { ...block.linears };
    for (const target of ['q_proj', 'v_proj', 'down_proj'] as const) {
      const pair = lora.layers[layer]?.[target];
      assert.ok(pair);
      linears[target] = mergedWeight(linears[target], pair, lora.scaling);
      merged.push(linears[target]);
    }
    return { ...block, linears };
  });
  const folded = { ...model, params: { ...model.params, llama: { ...llama, blocks } } };
  assert.ok(relativeError(losses(folded, batch, { withoutAdapters: true }), plain) < 1e-4);
  tf.dispose(merged);
});

test('packed rows give the losses of separate rows', () => {
  const packed: ModelBatch = {
    tokenIds: Int32Array.of(1, 4, 5, 6, 7, 1, 8, 9),
    labels: Int32Array.of(-100, -100, 5, 6, 7, -100, 8, 9),
    attentionMask: new Uint8Array(8).fill(1),
    shape: [1, 8],
    positions: Int32Array.of(0, 1, 2, 3, 2, 0, 1, 2),
    blocks: {
      groups: Int32Array.of(0, 0, 0, 0, 0, 1, 1, 1),
      branches: Int32Array.of(0, 0, 1, 1, 2, 0, 0, 0),
    },
  };
  const found = losses(model, packed);
  // The first token of branch 2 follows the prefix, not the token before it in the row: its loss is not looked at here.
  const first = losses(model, tinyBatch([{ ids: [1, 4, 5, 6], supervised: 2 }]));
  const second = losses(model, tinyBatch([{ ids: [1, 8, 9], supervised: 2 }]));
  assert.ok(relativeError(found.subarray(0, 2), first) < 1e-5);
  assert.ok(relativeError(found.subarray(3), second) < 1e-5);
});

test('a whole model that trains has a gradient for every weight, vision included', () => {
  const all = tinyModel(TINY, /./);
  for (const [name, values] of gradients(all, batch))
    assert.ok(
      values?.some((value) => value !== 0),
      name,
    );
  disposeMiniGpt(all);
});

test('a tied embedding gets the gradient of the words and of the head together', () => {
  const tiedConfig = { ...TINY, llm: { ...TINY.llm, tieEmbeddings: true } };
  const embedding = 'llama_model.model.embed_tokens.weight';
  const head = 'llama_model.lm_head.weight';
  const tied = tinyModel(tiedConfig, /embed_tokens/);
  const untied = tinyModel(TINY, /embed_tokens|lm_head/);
  trainableOf(untied.store).get(head)?.assign(tied.params.llama.embedTokens);
  trainableOf(untied.store).get(embedding)?.assign(tied.params.llama.embedTokens);
  const apart = gradients(untied, batch);
  const sum = apart.get(embedding)?.map((value, i) => value + (apart.get(head)?.[i] ?? 0)) ?? [];
  assert.ok(relativeError(gradients(tied, batch).get(embedding) ?? [], sum) < 1e-4);
  disposeMiniGpt(tied);
  disposeMiniGpt(untied);
});

test('a batch of text leaves the projector without gradient', () => {
  const text = tinyBatch([{ ids: [1, 4, 5, 6], supervised: 2 }]);
  const found = gradients(model, text);
  assert.equal(found.get('llama_proj.weight'), null);
  assert.ok(found.get('llama_model.model.layers.0.self_attn.q_proj.lora_A.weight'));
});

test('a forward and a backward leave no tensor behind', () => {
  losses(model, batch);
  const before = liveTensors().tensors;
  losses(model, batch, { dropout: { rate: 0.1, seed: 1, step: 1, rows: [0, 1] }, recompute: true });
  gradients(model, batch, { dropout: { rate: 0.1, seed: 1, step: 1, rows: [0, 1] }, recompute: true });
  gradients(model, batch);
  assert.equal(liveTensors().tensors, before);
});

test('parts of a batch that do not fit its shape are refused by name', () => {
  const wrong = { ...batch, labels: batch.labels.subarray(1) };
  assert.throws(() => deviceBatch(wrong, TINY), { code: 'E_BATCH_SHAPE', where: 'labels' });
});
