/** A run of the vision tower from file to file, at toy size: equal bytes twice and after a stop, and the stages that take it up. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { registry } from '../../../bin/registry.ts';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import { latestGood, writeCheckpoint } from '../../../lib/checkpoint/store.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { sha256File } from '../../../lib/core/hash.ts';
import type { Logger } from '../../../lib/core/log.ts';
import { fromFloat32, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors, type TensorSource } from '../../../lib/formats/safetensors.ts';
import { disposeMiniGpt } from '../../../lib/model/minigpt.ts';
import { visionShapes } from '../../../lib/model/shapes.ts';
import { readEvents } from '../../../lib/report/events.ts';
import { resolveAll } from '../../../lib/run/config.ts';
import { modelConfigOf } from '../../../lib/run/model-config.ts';
import { trainAll } from '../../../lib/run/train-all.ts';
import { assembleModel } from '../../../lib/run/weights.ts';
import { openTestEngine } from '../../support/engine.ts';

const engine = await openTestEngine();
const folder = mkdtempSync(join(tmpdir(), 'tristage-vision-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const STEPS = 6;
const SIZES = `
  vision: { imageSize: 32, patch: 8, width: 16, depth: 1, heads: 2, mlpHidden: 32 }
  join: 4
  llm: { vocabulary: 32000, width: 8, layers: 1, heads: 2, mlpHidden: 16 }`;
const SOURCE = 'source: emoji-scenes, imageSize: 32, minSide: 12, maxSide: 16, classes: [dog, car, tree], count: 1000';

function configFile(name: string, text: string): string {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, text);
  return file;
}

const vision = configFile(
  'vision',
  `version: 1
name: vision
stage: vision-pretrain
engine: { backend: ${engine}, device: cpu }
model:${SIZES}
data: { mixture: { sources: [{ ${SOURCE}, task: detection }] } }
train:
  steps: ${STEPS}
  globalBatch: 4
  microBatch: 2
  optimizer: { lr: 3.0e-3 }
  clip: 1
  checkpoint: { everySteps: 3 }
  patches: { heldOutEvery: 4, heldOutImages: 6 }
`,
);

const quiet: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function train(file: string, name: string, more: { resume?: boolean; signal?: AbortSignal; logger?: Logger } = {}) {
  const out = join(folder, name);
  return trainAll({ files: [file], out, set: [], resume: false, registry, logger: quiet, ...more });
}

const path = (run: string, ...names: string[]) => join(folder, run, ...names);
const files = [
  'vision.safetensors',
  'checkpoints/step-6/model.safetensors',
  'checkpoints/step-6/optimizer.safetensors',
];

/** Makes the weights of a run's newest checkpoint so large that the next step overflows. */
async function spoil(runDir: string): Promise<void> {
  const checkpoint = (await latestGood(runDir)).checkpoint!;
  const sources = async (file: string, scale: number) =>
    new Map(
      [...(await readSafetensors(file))].map(([name, tensor]): [string, TensorSource] => {
        if (tensor.dtype !== 'F32') return [name, { ...tensor, read: () => tensor }];
        const large = fromFloat32(
          toFloat32(tensor).map((value) => value * scale),
          tensor.shape,
        );
        return [name, { ...large, read: () => large }];
      }),
    );
  await writeCheckpoint({
    runDir,
    step: checkpoint.step,
    state: checkpoint.state,
    model: await sources(checkpoint.modelFile, 1e30),
    optimizer: await sources(checkpoint.optimizerFile, 1),
  });
}

function assertSameBytes(a: string, b: string): void {
  for (const file of files) assert.ok(readFileSync(path(a, file)).equals(readFileSync(path(b, file))), file);
}

describe('a run that trains the vision tower', () => {
  before(async () => {
    await train(vision, 'whole');
  });

  test('leaves a run folder like any other, with the tower and its accuracy beside it', async () => {
    const names = readdirSync(path('whole'));
    for (const name of [
      'checkpoints',
      'config.resolved.yaml',
      'events.jsonl',
      'run.json',
      'summary.json',
      'vision.json',
    ]) {
      assert.ok(names.includes(name), name);
    }
    const events = readEvents(path('whole', 'events.jsonl'));
    const kinds = events.map(({ event }) => event).join(' ');
    assert.equal(kinds, 'start step step step checkpoint patches step step step checkpoint patches end');
    const first = events.find((event) => event.event === 'step');
    assert.equal(first?.tokens, 4 * 16);
    assert.ok(first.tasks['class']?.tokens === 64 && (first.tasks['box']?.tokens ?? 0) > 0);
    const { class: classes, box } = first.tasks;
    assert.ok(Math.abs(first.loss - (classes?.loss ?? 0) - 3 * (box?.loss ?? 0)) < 1e-5);
    const facts = JSON.parse(readFileSync(path('whole', 'vision.json'), 'utf8'));
    const { hash, bytes } = await sha256File(path('whole', 'vision.safetensors'));
    assert.deepEqual([facts.sha256, facts.bytes, facts.step], [hash, bytes, STEPS]);
    assert.deepEqual(facts.kinds, ['dog', 'car', 'tree']);
    const { images, patches, covered, all, foreground, boxOverlap } = facts.heldOut;
    assert.deepEqual([images, patches], [6, 96]);
    assert.ok(covered > 6 && covered < 90);
    for (const share of [all, foreground, boxOverlap]) assert.ok(share >= 0 && share <= 1);
  });

  test('the file holds the tower alone, in float16, under EVA’s names, rounded from the checkpoint', async () => {
    const [half, full] = await Promise.all(
      [files[0] ?? '', files[1] ?? ''].map((file) => readSafetensors(path('whole', file))),
    );
    const config = resolveAll([vision], { registry })[0]!.config;
    assert.deepEqual([...(half?.keys() ?? [])].sort(), [...visionShapes(config.model.vision).keys()].sort());
    for (const [name, tensor] of half ?? []) {
      assert.equal(tensor.dtype, 'F16');
      const wide = toFloat32(full!.get(name)!);
      toFloat32(tensor).forEach((value, i) => {
        assert.ok(Math.abs(value - (wide[i] ?? 0)) <= Math.abs(wide[i] ?? 0) / 2048 + 1e-7, name);
      });
    }
    assert.equal([...(full?.keys() ?? [])].filter((name) => name.startsWith('patch_head.')).length, 4);
  });

  test('equal seeds give equal bytes, another seed others', async () => {
    await train(vision, 'again');
    assertSameBytes('whole', 'again');
    const other = configFile('seed', readFileSync(vision, 'utf8').replace('steps: 6', 'steps: 6\n  seed: 7'));
    await train(other, 'seed');
    assert.ok(!readFileSync(path('whole', files[0]!)).equals(readFileSync(path('seed', files[0]!))));
  });

  test('a run that was stopped goes on to the same bytes', async () => {
    const controller = new AbortController();
    const info = (line: string) => void (/^step +2\/6/.test(line) && controller.abort());
    await train(vision, 'stopped', { signal: controller.signal, logger: { ...quiet, info } });
    assert.deepEqual(readdirSync(path('stopped', 'checkpoints')), ['step-2']);
    assert.ok(!readdirSync(path('stopped')).includes('vision.safetensors'));
    await train(vision, 'stopped', { resume: true });
    assertSameBytes('whole', 'stopped');
    const losses = (run: string) =>
      readEvents(path(run, 'events.jsonl')).flatMap((event) => (event.event === 'step' ? [event.loss] : []));
    assert.deepEqual(losses('stopped'), losses('whole'));
  });

  test('a finished run is left as it is', async () => {
    const [again] = await train(vision, 'whole', { resume: true });
    assert.equal(again?.summary.step, STEPS);
  });

  test('going on with other scenes is refused', async () => {
    const other = configFile('scenes', readFileSync(vision, 'utf8').replace('steps: 6', 'steps: 8'));
    const text = readFileSync(other, 'utf8').replace('count: 1000', 'count: 1000, seed: 9');
    writeFileSync(other, text);
    await assert.rejects(train(other, 'whole', { resume: true }), { code: 'E_RESUME_CONFIG' });
  });

  test('the tower can be trained on from a file, with a new head', async () => {
    const file = path('whole', 'vision.safetensors');
    const more = readFileSync(vision, 'utf8').replace('\n  join: 4', `\n  weights: { vision: ${file} }\n  join: 4`);
    await train(configFile('more', more.replace('steps: 6', 'steps: 1')), 'more');
    const run = JSON.parse(readFileSync(path('more', 'run.json'), 'utf8'));
    assert.equal(run.weights[0].sha256, (await sha256File(file)).hash);
  });

  test('a step that is not finite ends it, and the error says how to go on with what was learned', async () => {
    cpSync(path('whole'), path('spoiled'), { recursive: true });
    rmSync(path('spoiled', 'checkpoints', 'step-6'), { recursive: true });
    await spoil(path('spoiled'));
    await assert.rejects(train(vision, 'spoiled', { resume: true }), (error: unknown) => {
      assert.ok(error instanceof TristageError);
      assert.deepEqual([error.code, error.exitStatus], ['E_NOT_FINITE', 7]);
      assert.equal(error.where, `step 4 of ${path('spoiled')}`);
      const named = /--set model\.weights\.vision=(\S+)/.exec(error.fix ?? '')?.[1];
      assert.equal(named, path('spoiled', 'checkpoints/step-3/model.safetensors'));
      return true;
    });
    const from = `\n  weights: { vision: ${path('whole', 'checkpoints/step-3/model.safetensors')} }\n  join: 4`;
    const text = readFileSync(vision, 'utf8').replace('\n  join: 4', from).replace('steps: 6', 'steps: 1');
    await train(configFile('once-more', text), 'once-more');
  });

  test('a stage takes the tower as its frozen, pretrained one', async () => {
    const file = path('whole', 'vision.safetensors');
    const stage = configFile(
      'stage1',
      `version: 1
name: stage1
stage: stage1-pretrain
model:${SIZES}
  weights: { vision: ${file} }
data: { mixture: { sources: [{ ${SOURCE}, task: caption }] } }
train: { steps: 1, globalBatch: 2, trainable: [projector, llm], optimizer: { lr: 1.0e-3 } }
`,
    );
    const { config } = resolveAll([stage], { registry })[0]!;
    const { model, stored, external } = await assembleModel({
      config: modelConfigOf(config),
      weights: config.model.weights,
      trainable: (name) => name.startsWith('llama'),
      seed: 1,
    });
    const expected = visionShapes(config.model.vision);
    const { tensors } = await readWeights({ path: file, expected });
    for (const name of expected.keys()) {
      assert.deepEqual(Float32Array.from(model.store.get(name)!.dataSync()), toFloat32(tensors.get(name)!), name);
      assert.ok(!stored.has(name), `${name} is held by hash alone`);
    }
    assert.deepEqual(
      external.map(({ path: place }) => place),
      [file],
    );
    disposeMiniGpt(model);
  });
});

describe('what the run file of such a stage may say', () => {
  const refused = (change: (text: string) => string, message: RegExp) => {
    const file = configFile('refused', change(readFileSync(vision, 'utf8')));
    assert.throws(() => resolveAll([file], { registry }), message);
  };

  test('one source, and one that knows what each patch shows', () => {
    refused(
      (text) => text.replace('task: detection }', 'task: detection }, { source: emoji-scenes, task: vqa }'),
      /single/,
    );
    refused(
      (text) => text.replace(/\[\{ source.*\]/, '[{ source: coco-caption, root: x }]'),
      /each patch of its images/,
    );
  });

  test('no other stage to start from, nothing to train but the tower', () => {
    refused((text) => `${text}init: { from: runs/x }\n`, /starts from random numbers or from model.weights.vision/);
    refused((text) => text.replace('steps: 6', 'steps: 6\n  trainable: [llm]'), /does not train llm/);
  });

  test('it trains every weight, and those stay float32', () => {
    refused((text) => text.replace('device: cpu', 'device: cpu, precision: bf16'), /weights that train stay float32/);
  });

  test('settings of texts have no meaning in it', () => {
    refused((text) => text.replace('data: {', 'data: { packing: { maxTokens: 512 },'), /data.packing has no meaning/);
    refused((text) => text.replace('steps: 6', 'steps: 6\n  recompute: true'), /train.recompute has no meaning/);
    refused(
      (text) => text.replace('steps: 6', 'steps: 6\n  loss: { weighting: answer-root }'),
      /train.loss.weighting has no meaning/,
    );
  });

  test('settings of patches belong to no other stage', () => {
    refused((text) => text.replace('stage: vision-pretrain', 'stage: stage2-multitask'), /does not train on patches/);
  });
});
