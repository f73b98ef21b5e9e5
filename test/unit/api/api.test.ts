/** The functions that a program calls, as far as they go without an engine. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as api from '../../../lib/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const { defineSource, defineStage, jsonSchema, loadConfig, predict, train, z } = api;

const mine = defineSource({
  name: 'mine',
  summary: 'A source of this test.',
  kind: 'task',
  tasks: ['caption'],
  options: z.object({ side: z.int().default(3).describe('Of an image.') }),
  open: () => Promise.reject(new Error('opened')),
});
const stage = defineStage({
  name: 'mine-only',
  summary: 'A stage of this test.',
  mayTrain: ['projector'],
  trains: ['projector'],
  accepts: ['task'],
});

const TEXT = `version: 1
name: run-a
stage: mine-only
model: { preset: tiny }
data: { mixture: { sources: [{ source: mine, root: data }] } }
train: { steps: 10, globalBatch: 4, optimizer: { lr: 1.0e-3 } }
`;

function runFile(text = TEXT): string {
  const file = join(temporaryFolder('tristage-api-'), 'run.yaml');
  writeFileSync(file, text);
  return file;
}

test('the public functions are these; a new one is a promise to keep', () => {
  assert.deepEqual(
    Object.keys(api).sort(),
    [
      'EXIT_STATUS',
      'TristageError',
      'createLogger',
      'defineRowSource',
      'defineSource',
      'defineStage',
      'drawInstruction',
      'evaluate',
      'exportCheckpoint',
      'faultsOf',
      'formatError',
      'jsonSchema',
      'loadConfig',
      'predict',
      'predictAll',
      'printConfig',
      'readEvents',
      'readPredictions',
      'setup',
      'train',
      'trainAll',
      'verify',
      'z',
    ].sort(),
  );
});

describe('loadConfig', () => {
  test('knows the sources and stages that are handed in, beside those that ship', async () => {
    const { config, registry } = await loadConfig(runFile(), {
      sources: [mine],
      stages: [stage],
      set: ['train.steps=3'],
    });
    assert.equal(config.train.steps, 3);
    assert.deepEqual(config.train.trainable, ['projector']);
    assert.equal(config.data.mixture.sources[0]?.['side'], 3);
    assert.ok(registry.sources.some(({ name }) => name === 'coco-caption'));
    assert.ok(registry.stages.some(({ name }) => name === 'stage2-multitask'));
  });

  test('reports every fault of a file, each with its place', async () => {
    const file = runFile(TEXT.replace('steps: 10', 'steps: 0').replace('globalBatch: 4', 'globalBatch: x'));
    const error = await loadConfig(file, { sources: [mine], stages: [stage] }).catch((thrown: unknown) => thrown);
    const places = api.faultsOf(error).map((fault) => (fault as api.TristageError).where);
    assert.deepEqual(places, [`${file}:6:17`, `${file}:6:33`]);
  });

  test('refuses a source with the name of one that ships', async () => {
    const taken = { ...mine, name: 'coco-caption' };
    await assert.rejects(loadConfig(runFile(), { sources: [taken], stages: [stage] }), { code: 'E_PLUGIN_NAME' });
  });
});

describe('train', () => {
  const out = join(temporaryFolder('tristage-api-'), 'run');

  test('refuses settings that a loaded config can no longer take', async () => {
    const config = await loadConfig(runFile(), { sources: [mine], stages: [stage] });
    await assert.rejects(train({ config, out, set: ['train.steps=1'] }), { code: 'E_USAGE' });
    await assert.rejects(train({ config, out, sources: [mine] }), { code: 'E_USAGE' });
  });

  test('does not begin when its signal has fired', async () => {
    const reason = new Error('enough');
    await assert.rejects(train({ config: runFile(), out, signal: AbortSignal.abort(reason) }), reason);
  });

  test('opens the source of the program', async () => {
    await assert.rejects(train({ config: runFile(), out, sources: [mine], stages: [stage] }), /opened/);
  });
});

test('predict refuses what cannot be asked before it opens anything', async () => {
  await assert.rejects(predict({ checkpoint: 'no-run', task: 'caption' }), { code: 'E_PREDICT' });
  await assert.rejects(predict({ checkpoint: 'no-run', task: 'identify', image: 'a.png', question: 'x' }), {
    code: 'E_PREDICT',
  });
});

test('the JSON Schema knows sources and stages of a program', async () => {
  const text = await jsonSchema({ sources: [mine], stages: [stage] });
  assert.match(text, /"mine"/);
  assert.match(text, /"mine-only"/);
  assert.doesNotMatch(await jsonSchema(), /"mine-only"/);
});
