import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { printConfig } from '../../../lib/config/print.ts';
import { resolveConfig } from '../../../lib/config/resolve.ts';
import { describeOrigin } from '../../../lib/config/tree.ts';
import { faults, folderOf, resolveText, valid, vocabulary } from './vocabulary.ts';

test('a valid file gets the defaults of the schema, of its stage and the dims of its preset', () => {
  const { config, origins } = resolveText({ text: valid });
  assert.equal(config.model.vision.imageSize, 32);
  assert.equal(config.train.seed, 42);
  assert.deepEqual(config.train.trainable, ['projector', 'llm']);
  assert.deepEqual(config.train.optimizer.betas, [0.9, 0.999]);
  assert.equal(config.data.mixture.sources[0]?.['task'], 'caption');
  const origin = (path: string) => describeOrigin(origins.get(path)!).replace(/^.*run\.yaml/, 'run.yaml');
  assert.equal(origin('train.steps'), 'run.yaml:11:10');
  assert.equal(origin('train.seed'), 'default');
  assert.equal(origin('model.vision.imageSize'), 'preset small');
  assert.equal(origin('train.trainable'), 'preset stage-a');
});

test('a file wins over what it extends, --set over both, and every value knows where it came from', () => {
  const base = valid.replace('steps: 10', 'steps: 10\n  seed: 7');
  const folder = folderOf({ 'base.yaml': base, 'run.yaml': 'extends: base.yaml\nname: child\ntrain: { steps: 20 }\n' });
  const { config, origins } = resolveConfig(join(folder, 'run.yaml'), { vocabulary, set: ['train.globalBatch=8'] });
  assert.deepEqual([config.name, config.train.steps, config.train.seed, config.train.globalBatch], ['child', 20, 7, 8]);
  assert.match(describeOrigin(origins.get('train.seed')!), /base\.yaml:12:9$/);
  assert.match(describeOrigin(origins.get('train.steps')!), /run\.yaml:3:17$/);
  assert.equal(describeOrigin(origins.get('train.globalBatch')!), '--set train.globalBatch=8');
});

test('--set reaches list items by index and can append one', () => {
  const set = ['data.mixture.sources.0.root=other', 'data.mixture.sources.1={source: questions, root: q, task: vqa}'];
  const { config } = resolveText({ text: valid, set });
  assert.deepEqual(
    config.data.mixture.sources.map((source) => [source.source, source.root]),
    [
      ['captions', 'other'],
      ['questions', 'q'],
    ],
  );
});

test('null takes an inherited value away so that its default holds again', () => {
  const text = valid.replace('steps: 10', 'steps: 10\n  clip: 1');
  assert.equal(resolveText({ text }).config.train.clip, 1);
  assert.equal(resolveText({ text, set: ['train.clip=null'] }).config.train.clip, undefined);
});

test('the printed run, read again, is the same run', () => {
  const first = resolveText({ text: valid, set: ['model.lora={rank: 4, alpha: 8}', 'train.optimizer.lr=3.5e-7'] });
  const again = resolveText({ text: printConfig(first.config) });
  assert.deepEqual(again.config, first.config);
  const annotated = printConfig(first.config, first.origins);
  assert.match(annotated, /lr: 3\.5e-7 # --set train\.optimizer\.lr=3\.5e-7/);
  assert.match(annotated, /seed: 42 # default/);
  assert.deepEqual(resolveText({ text: annotated }).config, first.config);
});

test('environment variables are put into paths, and into nothing else', () => {
  const text = valid.replace('root: photos', `root: "\${HERE}/photos"`);
  assert.equal(
    resolveText({ text, environment: { HERE: '/data' } }).config.data.mixture.sources[0]?.root,
    '/data/photos',
  );
  const fallback = text.replace(`\${HERE}`, `\${HERE:-elsewhere}`);
  assert.equal(resolveText({ text: fallback }).config.data.mixture.sources[0]?.root, 'elsewhere/photos');
  assert.deepEqual(
    faults({ text: valid.replace('a-run', `"\${HERE}"`), environment: { HERE: 'x' } }).map((f) => f.code),
    ['E_CONFIG_VALUE'],
  );
});

test('an unset environment variable is a fault at the path that needs it', () => {
  const [fault, ...rest] = faults({ text: valid.replace('root: photos', `root: "\${NOWHERE_SET}/x"`) });
  assert.equal(rest.length, 0);
  assert.equal(fault?.code, 'E_CONFIG_ENV');
  assert.equal(fault?.at, '9:35');
  assert.equal(fault?.error.exitStatus, 3);
  assert.match(fault?.error.message ?? '', /NOWHERE_SET/);
});

test('an option of a source that is marked as a path takes environment variables too', () => {
  const text = valid.replace('root: photos', `root: photos, index: "\${HERE}/i"`);
  assert.equal(resolveText({ text, environment: { HERE: '/d' } }).config.data.mixture.sources[0]?.['index'], '/d/i');
});

test('extends in a circle is refused', () => {
  const folder = folderOf({ 'a.yaml': 'extends: b.yaml\n', 'b.yaml': 'extends: a.yaml\n' });
  assert.throws(() => resolveConfig(join(folder, 'a.yaml'), { vocabulary }), { code: 'E_CONFIG_EXTENDS' });
});

test('a missing file is a coded error that names it', () => {
  assert.throws(() => resolveConfig('no/such.yaml', { vocabulary }), {
    code: 'E_CONFIG_FILE',
    where: 'no/such.yaml',
    exitStatus: 3,
  });
});
