/** Training the vision tower within a limited memory: how many images pass at once is chosen, recorded and, where it fails, halved. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { openEngine } from '../../lib/engine/engine.ts';
import { liveTensors } from '../../lib/engine/memory.ts';
import { native } from '../../lib/engine/torch/binding.ts';
import { readEvents } from '../../lib/report/events.ts';
import { resolveAll } from '../../lib/run/config.ts';
import type { MicroBatch } from '../../lib/run/facts.ts';
import { chooseTowerMicroBatch } from '../../lib/run/micro-batch.ts';
import { memoryOnly } from '../../lib/run/planning/memory-only.ts';
import { planTowerMemory } from '../../lib/run/planning/tower-memory.ts';
import { trainVision } from '../../lib/run/train-vision.ts';
import { keptLines, newFolder } from './tiny-scenes.ts';

const engine = await openEngine({ backend: 'torch', device: 'cpu', threads: 1 });
afterEach(() => native().limitMemory(0));

const TEXT = `version: 1
name: tower
stage: vision-pretrain
engine: { backend: torch, device: cpu, threads: 1 }
model:
  vision: { imageSize: 32, patch: 8, width: 32, depth: 2, heads: 2, mlpHidden: 128 }
  llm: { vocabulary: 32000, width: 8, layers: 1, heads: 2, mlpHidden: 16 }
data:
  mixture:
    sources: [{ source: emoji-scenes, task: detection, imageSize: 32, minSide: 12, maxSide: 16, classes: [dog, car, tree], count: 64 }]
train:
  steps: 2
  globalBatch: 8
  optimizer: { lr: 3.0e-3 }
  checkpoint: { everySteps: 1 }
  patches: { heldOutImages: 2 }
`;

function written(): string {
  const file = join(newFolder(), 'tower.yaml');
  writeFileSync(file, TEXT);
  return file;
}

const towerRun = (...set: string[]) => resolveAll([written()], { registry, set })[0]!;

/** Trains; returns its folder, what it said and the most bytes of tensors at once. */
async function trained(set: string[], folder = newFolder(), resume = false, stopAfter = Number.POSITIVE_INFINITY) {
  native().resetPeak();
  const { logger, lines } = keptLines();
  const abort = new AbortController();
  const onStep = ({ step }: { step: number }) => step >= stopAfter && abort.abort();
  await trainVision({ run: towerRun(...set), folder, resume, registry, logger, signal: abort.signal, onStep });
  return { folder, lines, peak: native().memory()[2] };
}

const weights = (folder: string) =>
  ['model', 'optimizer'].map((part) => readFileSync(join(folder, `checkpoints/step-2/${part}.safetensors`)));
const recorded = (folder: string): MicroBatch =>
  (JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { microBatch: MicroBatch }).microBatch;

test('a step that does not fit is done again in halves: the weights are those of a run that began so, also when it goes on', async () => {
  const half = await trained(['train.microBatch=4']);
  const whole = await trained(['train.microBatch=8']);
  assert.ok(whole.peak > half.peak, `${whole.peak} and ${half.peak}`);
  const live = liveTensors().tensors;
  native().limitMemory((whole.peak + half.peak) / 2);
  const abort = new AbortController();
  const { logger, lines } = keptLines();
  const folder = newFolder();
  const request = { folder, resume: false, registry, logger, signal: abort.signal };
  await trainVision({ ...request, run: towerRun(), onStep: () => abort.abort() });
  const changes = readEvents(join(folder, 'events.jsonl')).filter(({ event }) => event === 'micro-batch');
  assert.deepEqual(
    changes.map((event) => ({ ...event, time: '', why: '' })),
    [{ event: 'micro-batch', step: 1, from: 8, to: 4, why: '', time: '' }],
  );
  assert.deepEqual([recorded(folder).examples, recorded(folder).by], [4, 'memory']);
  assert.match(lines.join('\n'), /step 1 does not fit the memory .*: again .* micro-batch of 4/);
  assert.equal(liveTensors().tensors, live, 'a pass that failed leaves nothing behind');

  native().limitMemory(0);
  await trained([], folder, true);
  assert.deepEqual(weights(folder), weights(half.folder));
});

test('held-out images that do not fit at once are measured in smaller parts, with the same result', async () => {
  const set = ['train.microBatch=1', 'train.patches.heldOutImages=32'];
  const few = await trained(['train.microBatch=1']);
  const many = await trained(set);
  assert.ok(many.peak > 1.2 * few.peak, `${many.peak} and ${few.peak}`);
  native().limitMemory((many.peak + few.peak) / 2);
  const cut = await trained(set);
  assert.match(cut.lines.join('\n'), /held-out images after step 2 do not fit the memory: again, 16 at once/);
  assert.deepEqual(measured(cut.folder), measured(many.folder));
});

function measured(folder: string): number[] {
  const events = readEvents(join(folder, 'events.jsonl'));
  return events.flatMap((event) => (event.event === 'patches' ? [event.images, event.foreground, event.all] : []));
}

test('auto takes the largest micro-batch whose estimate leaves a tenth of the memory', async () => {
  const { config } = towerRun('train.microBatch=auto');
  const gigabytes = (microBatch: number) => planTowerMemory({ config, kinds: 3, microBatch }).total / 1e9;
  const chosen = async (memory: number) => {
    const own = { ...config, engine: { ...config.engine, memory } };
    const { logger } = keptLines();
    return await chooseTowerMicroBatch({ config: own, kinds: 3, engine, folder: newFolder(), logger });
  };
  const between = (gigabytes(4) + gigabytes(8)) / 2 / 0.9;
  const sizes = [await chosen(100), await chosen(between), await chosen(0.01)].map(({ examples }) => examples);
  assert.deepEqual(sizes, [8, 4, 1]);
});

test('what auto chose is recorded, and a run that goes on keeps it; engine.memory need not be whole bytes', async () => {
  const folder = newFolder();
  const { lines } = await trained(['train.microBatch=auto', 'engine.memory=100.00000000033'], folder, false, 1);
  assert.deepEqual([recorded(folder).examples, recorded(folder).by], [8, 'auto']);
  assert.match(lines.join('\n'), /micro-batch: 8 of 8 \(auto: about .*, engine.memory\)/);
  const again = await trained(['train.microBatch=auto', 'engine.memory=50'], folder, true);
  assert.match(again.lines.join('\n'), /micro-batch: 8, as the run has had it/);
});

test('the memory is planned from the file alone, with the kinds that it lists, and of cards with the images that fit', async () => {
  const [planned] = await memoryOnly({ files: [written()], set: ['train.microBatch=2'], registry });
  assert.ok(planned !== undefined && 'kinds' in planned.memory);
  assert.deepEqual([planned.memory.kinds, planned.memory.patches, planned.memory.microBatch], [3, 16, 2]);
  assert.match(planned.lines[0] ?? '', /micro-batch 2: 2 images of 16 patches, 3 kinds of object/);
  const images = planned.memory.cards.map(({ rows }) => rows);
  assert.deepEqual(
    images,
    [...images].sort((a, b) => a - b),
  );
  assert.ok((images[0] ?? 0) > 100);
});
