import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { type GenerateOptions, generate, type PromptBatch } from '../../../lib/eval/generate.ts';
import { candidateLosses, rankCandidates } from '../../../lib/eval/rank.ts';
import { deviceBatch, disposeBatch } from '../../../lib/model/batch.ts';
import { llamaHidden, llamaLogits } from '../../../lib/model/llama/model.ts';
import { blockContext, disposeMiniGpt, inputEmbeddings } from '../../../lib/model/minigpt.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { tinyBatch, tinyModel, tinyPixels, withImage } from '../model/tiny-model.ts';

await openTestEngine();

const model = tinyModel();
after(() => disposeMiniGpt(model));

/** Padded on the left by at least `extra` places. */
function leftPadded(rows: readonly number[][], pixels?: Uint8Array, extra = 0): PromptBatch {
  const T = Math.max(...rows.map((row) => row.length)) + extra;
  const tokenIds = new Int32Array(rows.length * T);
  const attentionMask = new Uint8Array(rows.length * T);
  rows.forEach((row, b) => {
    tokenIds.set(row, (b + 1) * T - row.length);
    attentionMask.fill(1, (b + 1) * T - row.length, (b + 1) * T);
  });
  return { tokenIds, attentionMask, shape: [rows.length, T], pixels };
}

const NEVER = -1;
const prompts = [withImage(4, 5, 6), withImage(9)];
const pixels = tinyPixels(2);
const options: GenerateOptions = { maxNewTokens: 6, eosId: NEVER };

/** Logits of the last place of one row, computed over the whole row without a cache. */
function uncached(row: readonly number[], image: Uint8Array): Float32Array {
  const batch = deviceBatch({ ...tinyBatch([{ ids: row, supervised: 1 }]), pixels: image }, model.config);
  const logits = tf.tidy(() => {
    const embeddings = inputEmbeddings(model, batch);
    const hidden = llamaHidden({ embeddings, params: model.params.llama, context: blockContext(model, batch) });
    return llamaLogits({ hidden, params: model.params.llama, rows: tf.tensor1d([row.length - 1], 'int32') });
  });
  const values = Float32Array.from(logits.dataSync());
  logits.dispose();
  disposeBatch(batch);
  return values;
}

test('each step with the cache has the logits of a full pass over the row, padded rows included', async () => {
  const steps: Float32Array[] = [];
  const rows = await generate(model, leftPadded(prompts, pixels), {
    ...options,
    onLogits: (_, logits) => steps.push(Float32Array.from(logits.dataSync())),
  });
  assert.equal(steps.length, 6);
  const vocabulary = model.config.llm.vocabulary;
  prompts.forEach((prompt, b) => {
    const image = pixels.subarray((b * pixels.length) / 2, ((b + 1) * pixels.length) / 2);
    const said = rows[b]?.tokenIds ?? [];
    steps.forEach((logits, step) => {
      const expected = uncached([...prompt, ...said.slice(0, step)], image);
      const found = logits.subarray(b * vocabulary, (b + 1) * vocabulary);
      assert.ok(relativeError(found, expected) < 1e-4, `row ${b}, step ${step}: ${relativeError(found, expected)}`);
      assert.equal(said[step], found.indexOf(Math.max(...found)));
    });
  });
});

test('more padding changes no answer', async () => {
  const plain = await generate(model, leftPadded(prompts, pixels), options);
  assert.deepEqual(await generate(model, leftPadded(prompts, pixels, 3), options), plain);
});

test('a row ends at the end symbol while others go on, and all rows ended end the work', async () => {
  const free = await generate(model, leftPadded(prompts, pixels), options);
  const said = free.map(({ tokenIds }) => tokenIds);
  // A token that only one row says, and not at the last step
  const eosId = said[0]?.slice(0, -1).find((id) => !said[1]?.includes(id)) ?? said[0]?.[0] ?? NEVER;
  let steps = 0;
  const rows = await generate(model, leftPadded(prompts, pixels), { ...options, eosId, onLogits: () => steps++ });
  rows.forEach(({ tokenIds, ended }, b) => {
    const end = said[b]?.indexOf(eosId) ?? -1;
    assert.equal(ended, end >= 0);
    assert.deepEqual(tokenIds, end < 0 ? said[b] : said[b]?.slice(0, end + 1));
  });
  const alone = await generate(model, leftPadded([prompts[0] ?? []], pixels.subarray(0, pixels.length / 2)), {
    ...options,
    eosId,
  });
  assert.deepEqual(alone[0], rows[0]);
  assert.ok(steps <= 6);
});

test('rows that leave the batch when they end change nothing for those that go on', async () => {
  const texts = Array.from({ length: 20 }, (_, row) =>
    Array.from({ length: 1 + (row % 5) }, (_, t) => (row * 7 + t * 3) % 23),
  );
  const many = [withImage(4, 5, 6), withImage(9), ...texts];
  const longer = { ...options, maxNewTokens: 10 };
  const free = await generate(model, leftPadded(many, pixels), longer);
  const lengths = (eosId: number) => free.map(({ tokenIds }) => tokenIds.indexOf(eosId) + 1 || tokenIds.length);
  // An end symbol at which rows stop at the most different times
  const eosId = Array.from({ length: 23 }, (_, id) => id).reduce((best, id) =>
    new Set(lengths(id)).size > new Set(lengths(best)).size ? id : best,
  );
  assert.ok(new Set(lengths(eosId)).size >= 3 && Math.max(...lengths(eosId)) === 10, lengths(eosId).join());
  const before = liveTensors().tensors;
  const left = await generate(model, leftPadded(many, pixels), { ...longer, eosId });
  assert.equal(liveTensors().tensors, before);
  assert.deepEqual(
    left.map(({ tokenIds }) => tokenIds),
    free.map(({ tokenIds }, row) => tokenIds.slice(0, lengths(eosId)[row])),
  );
  assert.deepEqual(left, await generate(model, leftPadded(many, pixels), { ...longer, eosId, onLogits: () => {} }));
});

test('no new tokens asked for, none given', async () => {
  assert.deepEqual(await generate(model, leftPadded([[1, 2]]), { maxNewTokens: 0, eosId: 2 }), [
    { tokenIds: [], ended: false },
  ]);
});

test('prompts padded on the right or empty are refused by their row', async () => {
  const batch = leftPadded([[1, 2, 3]]);
  const wrong = { ...batch, attentionMask: Uint8Array.of(1, 1, 0) };
  await assert.rejects(generate(model, wrong, options), { code: 'E_PROMPT_PADDING', where: 'row 0' });
  const hole = { ...batch, attentionMask: Uint8Array.of(1, 0, 1) };
  await assert.rejects(generate(model, hole, options), { code: 'E_PROMPT_PADDING' });
});

test('generation leaves no tensor behind, also when it fails half way', async () => {
  const before = liveTensors().tensors;
  await generate(model, leftPadded(prompts, pixels), options);
  const failing = () => {
    throw new Error('seen enough');
  };
  await assert.rejects(generate(model, leftPadded(prompts, pixels), { ...options, onLogits: failing }), /seen enough/);
  await candidateLosses(model, tinyBatch([{ ids: [1, 2, 3], supervised: 1 }]));
  assert.equal(liveTensors().tensors, before);
});

test('candidates are scored by their mean over answer tokens, or over the padded row for compatibility', async () => {
  const batch = tinyBatch([
    { ids: [1, 2, 3, 4, 5], supervised: 2 },
    { ids: [1, 2, 7], supervised: 1 },
    { ids: [1, 2, 3], supervised: 0 },
  ]);
  batch.labels.fill(-100, 10);
  const means = await candidateLosses(model, batch);
  const padded = await candidateLosses(model, batch, 'padded-row');
  assert.ok(Math.abs((means[0] ?? 0) * 2 - (padded[0] ?? 0) * 4) < 1e-5);
  assert.ok(Math.abs((means[1] ?? 0) - (padded[1] ?? 0) * 4) < 1e-5);
  assert.equal(means[2], Number.POSITIVE_INFINITY);
});

test('ranking puts the smallest loss first and keeps ties in order', () => {
  assert.deepEqual(rankCandidates([2, 1, 3, 1]), [1, 3, 0, 2]);
  assert.deepEqual(rankCandidates([1, Number.POSITIVE_INFINITY, 0]), [2, 0, 1]);
});
