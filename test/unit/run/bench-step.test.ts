/** `tristage bench step` without its times: its samples, its work, and that the sides compute the same. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { registry } from '../../../bin/registry.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import type { Example } from '../../../lib/data/sample.ts';
import { readSafetensors } from '../../../lib/formats/safetensors.ts';
import { tokensPerImage } from '../../../lib/model/config.ts';
import { modelShapes } from '../../../lib/model/shapes.ts';
import type { Peer } from '../../../lib/run/bench/peer.ts';
import { ourBatch, workOf } from '../../../lib/run/bench/step/batch.ts';
import { stepModel, writeStepCase } from '../../../lib/run/bench/step/case.ts';
import { stepFlops } from '../../../lib/run/bench/step/flops.ts';
import { stepCases } from '../../../lib/run/bench/step/index.ts';
import { lossDifference } from '../../../lib/run/bench/step/losses.ts';
import { mixtureSamples } from '../../../lib/run/bench/step/samples.ts';

const hasCode = (code: string) => (error: unknown) => error instanceof TristageError && error.code === code;

/** A side that answers what it is told to. */
function fakeSide(losses: number[], rows: number[]): Peer {
  let update = 0;
  return {
    ask: async <T>(command: Readonly<Record<string, unknown>>) =>
      (command['do'] === 'rows' ? { rows } : { seconds: [1], losses: [losses[update++]], rows }) as T,
    close: async () => undefined,
  };
}

describe('bench step', () => {
  const base = stepModel('tiny');
  const model = { ...base, llm: { ...base.llm, layers: 1 }, vision: { ...base.vision, depth: 1 } };
  let examples: Example[] = [];
  let folder = '';

  before(async () => {
    examples = await mixtureSamples({ registry, images: 3, questions: 4, imageTokens: tokensPerImage(model) });
    folder = await mkdtemp(join(tmpdir(), 'tristage-bench-test-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('samples are four different questions about each image, equal on every call', async () => {
    assert.equal(examples.length, 12);
    assert.equal(new Set(examples.map(({ id }) => id)).size, 12);
    assert.equal(new Set(examples.map(({ images }) => images[0])).size, 3);
    const again = await mixtureSamples({ registry, images: 3, questions: 4, imageTokens: tokensPerImage(model) });
    assert.deepEqual(
      again.map(({ tokenIds }) => [...tokenIds]),
      examples.map(({ tokenIds }) => [...tokenIds]),
    );
  });

  test('a case holds every weight, and its packed batch supervises the tokens of the padded one with fewer places', async () => {
    const { stepCase, weights } = await writeStepCase({ name: 'tiny', model, examples, threads: 1 }, folder);
    const file = await readSafetensors(weights);
    for (const [name, shape] of modelShapes(model)) assert.deepEqual(file.get(name)?.shape, [...shape], name);
    const integers = (name: string) => new Int32Array(new Uint8Array(file.get(name)!.bytes).buffer);
    const tensors = {
      tokens: integers('batch.tokens'),
      labels: integers('batch.labels'),
      bytes: new Uint8Array(file.get('batch.bytes')!.bytes),
    };
    const [a, b] = [ourBatch(stepCase, tensors, 'a'), ourBatch(stepCase, tensors, 'b')];
    const [padded, packed] = [workOf(a.batch, 'a'), workOf(b.batch, 'b')];
    assert.deepEqual([padded.images, packed.images, workOf(b.batch, 'b-cached').images], [12, 3, 0]);
    assert.deepEqual(new Set(b.images), new Set([0, 1, 2]));
    assert.equal(padded.supervised, packed.supervised);
    assert.equal(padded.logits, padded.tokens);
    assert.equal(packed.logits, packed.supervised);
    assert.ok(packed.tokens < padded.tokens / 1.5 && packed.pairs < padded.pairs);
    assert.ok(stepFlops(model, packed) < stepFlops(model, padded) / 1.5);
    assert.deepEqual(a.order, [...a.order.keys()]);
    assert.deepEqual(
      [...b.order].sort((x, y) => x - y),
      a.order,
    );
  });

  test('losses that differ by more than float32 rounding end the benchmark', async () => {
    const rows = [3, 4];
    const found = await lossDifference(fakeSide([2, 1], rows), fakeSide([2, 1.00001], rows), 'x');
    assert.ok(Math.abs(found.lossDifference - 1e-5) < 1e-7);
    await assert.rejects(
      lossDifference(fakeSide([2, 1], rows), fakeSide([2, 1.01], rows), 'x'),
      hasCode('E_BENCH_LOSS'),
    );
    await assert.rejects(
      lossDifference(fakeSide([2, 1], [3, 4.1]), fakeSide([2, 1], rows), 'x'),
      hasCode('E_BENCH_LOSS'),
    );
    await assert.rejects(lossDifference(fakeSide([2, 1], [3]), fakeSide([2, 1], rows), 'x'), hasCode('E_BENCH_LOSS'));
  });

  test('a filter takes cases by part of their name, tiny ones only by theirs, and must name one', () => {
    assert.deepEqual(
      stepCases().map(({ name }) => name),
      ['mid-a', 'mid-b', 'mid-b-cached', 'smol-a', 'smol-b', 'smol-b-cached'],
    );
    assert.deepEqual(
      stepCases('tiny-b').map(({ name }) => name),
      ['tiny-b', 'tiny-b-cached'],
    );
    assert.throws(() => stepCases('huge'), hasCode('E_BENCH_FILTER'));
  });
});
