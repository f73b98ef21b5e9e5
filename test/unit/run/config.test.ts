import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import type { RunConfig } from '../../../lib/config/schema.ts';
import { defineSource } from '../../../lib/data/source.ts';
import { type Registry, resolveAll } from '../../../lib/run/config.ts';
import { identityOf } from '../../../lib/run/identity.ts';
import { modelConfigOf } from '../../../lib/run/model-config.ts';
import { trainAll } from '../../../lib/run/train-all.ts';
import { scheduleOf } from '../../../lib/run/update.ts';
import { STAGES } from '../../../stages/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { silentLines } from './silent-lines.ts';

const source = (name: string, kind: 'weak' | 'task') =>
  defineSource({
    name,
    summary: 'A source of this test.',
    kind,
    tasks: ['caption'],
    options: z.object({ images: z.string().optional(), limit: z.int().default(5) }),
    open: async () => ({
      name,
      length: 1,
      fingerprint: name,
      notes: [],
      get: () => Promise.reject(new Error('unused')),
    }),
  });

const registry: Registry = { sources: [source('careful', 'task'), source('noisy', 'weak')], stages: STAGES };

const TEXT = `version: 1
name: run-a
stage: stage2-multitask
model: { preset: tiny }
data: { mixture: { sources: [{ source: careful, root: a }] } }
train: { steps: 10, globalBatch: 4, optimizer: { lr: 1.0e-3 } }
`;

function write(text: string): string {
  const file = join(temporaryFolder('tristage-run-config-'), 'run.yaml');
  writeFileSync(file, text);
  return file;
}

function config(...set: string[]): RunConfig {
  return resolveAll([write(TEXT)], { registry, set })[0]!.config;
}

test('a stage refuses what it does not train and kinds of source that it does not accept, at their places', () => {
  const refused = (set: string) => {
    try {
      config(set);
    } catch (error) {
      return error as { code: string; where: string };
    }
    throw new Error('accepted');
  };
  assert.deepEqual(
    [refused('train.trainable=[vision]'), refused('data.mixture.sources.0.source=noisy')].map(({ code, where }) => [
      code,
      where,
    ]),
    [
      ['E_CONFIG_RULE', '--set train.trainable=[vision]'],
      ['E_CONFIG_RULE', '--set data.mixture.sources.0.source=noisy'],
    ],
  );
  assert.equal(config('stage=stage1-pretrain', 'data.mixture.sources.0.source=noisy').stage, 'stage1-pretrain');
});

test('the identity of a run ignores engine, places, length and checkpoints, and nothing else', () => {
  const same = identityOf(config());
  for (const set of [
    'engine.backend=torch',
    'data.mixture.sources.0.root=elsewhere',
    'data.mixture.sources.0.images=there',
    'train.steps=20',
    'train.checkpoint.everySteps=2',
    'name=other',
  ]) {
    assert.equal(identityOf(config(set)), same, set);
  }
  for (const set of [
    'train.seed=1',
    'train.globalBatch=8',
    'train.optimizer.lr=2.0e-3',
    'train.trainable=[projector]',
    'engine.precision=bf16',
    'model.llm.layers=2',
    'data.mixture.sources.0.limit=6',
    'data.mixture.sources.0.rate=2',
    'data.maxTokens=99',
    'stage=stage3-instruct',
  ]) {
    assert.notEqual(identityOf(config(set)), same, set);
  }
});

test('key and value heads default to the query heads', () => {
  const sizes = modelConfigOf(
    config(
      'model.preset=null',
      'model.vision={imageSize: 28, patch: 14, width: 8, depth: 1, heads: 2, mlpHidden: 8}',
      'model.llm={vocabulary: 32000, width: 16, layers: 1, heads: 4, mlpHidden: 16}',
      'model.lora={rank: 2, alpha: 4}',
    ),
  );
  assert.equal(sizes.llm.kvHeads, 4);
  assert.deepEqual(sizes.lora, { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj', 'v_proj'] });
});

test('the schedule of a run has its peak, its length and its warm-up', () => {
  assert.deepEqual(scheduleOf(config('train.schedule.warmupSteps=3')), {
    name: 'linear-warmup-cosine',
    lr: 1e-3,
    steps: 10,
    warmupSteps: 3,
    warmupLr: 1e-6,
    minLr: 0,
  });
});

test('two runs of one call must have different names', async () => {
  const files = [write(TEXT), write(TEXT)];
  const { logger } = silentLines();
  const out = join(tmpdir(), 'tristage-never-made');
  await assert.rejects(trainAll({ files, out, set: [], resume: false, registry, logger }), {
    code: 'E_CONFIG_NAME',
    exitStatus: 3,
  });
});
