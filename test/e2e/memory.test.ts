/** Training within a limited memory: how many examples pass at once is chosen, recorded and, where a step fails, halved. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { openEngine } from '../../lib/engine/engine.ts';
import { native } from '../../lib/engine/torch/binding.ts';
import { readEvents } from '../../lib/report/events.ts';
import { openData } from '../../lib/run/data.ts';
import type { MicroBatch } from '../../lib/run/facts.ts';
import { chooseMicroBatch } from '../../lib/run/micro-batch.ts';
import { planMemory } from '../../lib/run/planning/memory.ts';
import { trainRun } from '../../lib/run/train.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

const engine = await openEngine({ backend: 'torch', device: 'cpu', threads: 1 });
afterEach(() => native().limitMemory(0));

const COMMON = [
  'train.trainable=[projector,lora]',
  'train.globalBatch=8',
  'train.steps=2',
  'train.checkpoint.everySteps=1',
];

/** Trains; returns its folder, what it said and the most bytes of tensors at once. */
async function trained(set: string[], folder = newFolder(), resume = false) {
  native().resetPeak();
  const { logger, lines } = keptLines();
  await trainRun({ run: tinyRun(...COMMON, ...set), folder, resume, registry, logger });
  return { folder, lines, peak: native().memory()[2] };
}

const weights = (folder: string, step = 2) =>
  ['model', 'optimizer'].map((part) => readFileSync(join(folder, `checkpoints/step-${step}/${part}.safetensors`)));
const recorded = (folder: string): MicroBatch =>
  (JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { microBatch: MicroBatch }).microBatch;

/** Bytes that let the first step through in halves, and not as a whole. */
async function between(): Promise<number> {
  const half = await trained(['train.microBatch=4', 'train.steps=1']);
  const whole = await trained(['train.microBatch=8', 'train.steps=1']);
  assert.ok(whole.peak > half.peak, `${whole.peak} and ${half.peak}`);
  return (whole.peak + half.peak) / 2;
}

test('a step that does not fit is done again in halves: the weights are those of a run that began so, also when it goes on', async () => {
  const half = await trained(['train.microBatch=4']);
  native().limitMemory(await between());
  const abort = new AbortController();
  const { logger, lines } = keptLines();
  const folder = newFolder();
  const request = { folder, resume: false, registry, logger, signal: abort.signal };
  await trainRun({ ...request, run: tinyRun(...COMMON, 'train.microBatch=8'), onStep: () => abort.abort() });
  assert.deepEqual(weights(folder, 1), weights(half.folder, 1));
  const changes = readEvents(join(folder, 'events.jsonl')).filter(({ event }) => event === 'micro-batch');
  assert.deepEqual(
    changes.map((event) => ({ ...event, time: '', why: '' })),
    [{ event: 'micro-batch', step: 1, from: 8, to: 4, why: '', time: '' }],
  );
  assert.deepEqual([recorded(folder).examples, recorded(folder).by], [4, 'memory']);
  const said = /step 1 does not fit the memory .*: again .* micro-batch of 4/;
  assert.equal(lines.filter((line) => said.test(line)).length, 1);

  native().limitMemory(0);
  await trained(['train.microBatch=8'], folder, true);
  assert.deepEqual(weights(folder), weights(half.folder));
});

test('a step that does not fit one example at a time ends the run with a code, status 6 and what to do', async () => {
  const request = { folder: newFolder(), resume: false, registry, logger: keptLines().logger };
  const run = tinyRun(...COMMON, 'train.microBatch=8', 'train.checkpoint.everySteps=2');
  const onStep = () => native().limitMemory(1);
  await assert.rejects(trainRun({ ...request, run, onStep }), (error: unknown) => {
    assert.ok(error instanceof TristageError);
    assert.deepEqual([error.code, error.exitStatus, error.where], ['E_MEMORY', 6, 'step 2']);
    assert.match(error.fix ?? '', /recompute.*maxTokens.*bf16/);
    return true;
  });
});

test('auto takes the largest micro-batch whose estimate leaves a tenth of the memory', async () => {
  const { config } = tinyRun(...COMMON, 'train.microBatch=auto');
  const data = await openData(config, registry);
  const chosen = async (memory: number) => {
    const { logger, lines } = keptLines();
    const own = { ...config, engine: { ...config.engine, memory } };
    const { examples } = await chooseMicroBatch({ config: own, data, registry, engine, folder: newFolder(), logger });
    return { examples, lines };
  };
  const gigabytes = (microBatch: number) => {
    const rows = Array.from({ length: 8 }, () => ({ tokens: 90, images: 1, supervised: 40, examples: 1 }));
    return planMemory({ config, registry, steps: [rows], microBatch }).total / 1e9;
  };
  const sizes = [];
  for (const memory of [100, gigabytes(1) / 0.9 + 0.002, 0.01]) sizes.push(await chosen(memory));
  assert.equal(sizes[0]?.examples, 8);
  assert.ok((sizes[1]?.examples ?? 0) >= 1 && (sizes[1]?.examples ?? 9) < 8);
  assert.equal(sizes[2]?.examples, 1);
  assert.match(sizes[2]?.lines.join('\n') ?? '', /micro-batch of 1 takes more than/);
  assert.match(sizes[0]?.lines.join('\n') ?? '', /micro-batch: 8 of 8 \(auto: about .* GB of 100 GB, engine.memory\)/);
});

test('what auto chose is recorded, and a run that goes on with less memory keeps it', async () => {
  const straight = await trained(['train.microBatch=8']);
  const folder = newFolder();
  const abort = new AbortController();
  const run = tinyRun(...COMMON, 'train.microBatch=auto', 'engine.memory=100');
  const { logger } = keptLines();
  await trainRun({ run, folder, resume: false, registry, logger, signal: abort.signal, onStep: () => abort.abort() });
  assert.deepEqual([recorded(folder).examples, recorded(folder).by], [8, 'auto']);
  const { lines } = await trained(['train.microBatch=auto', 'engine.memory=2'], folder, true);
  assert.match(lines.join('\n'), /micro-batch: 8, as the run has had it/);
  assert.deepEqual(weights(folder), weights(straight.folder));
});

test('engine.memory bounds the tensors themselves, as long as the run lasts', async () => {
  await assert.rejects(trained(['train.microBatch=8', 'engine.memory=0.001']), { code: 'E_MEMORY', exitStatus: 6 });
  await trained(['train.steps=1']);
});
