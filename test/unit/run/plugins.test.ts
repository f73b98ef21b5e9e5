/** Sources and stages of a user's own modules: what makes one usable, and what a run on disk does without them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SOURCES } from '../../../datasets/index.ts';
import { printConfig } from '../../../lib/config/print.ts';
import type { TristageError } from '../../../lib/core/errors.ts';
import { type Registry, resolveAll, sourceOf } from '../../../lib/run/config.ts';
import { readRun } from '../../../lib/run/open-run.ts';
import { joinRegistries, openRuns, withPluginFiles } from '../../../lib/run/plugins.ts';
import { STAGES } from '../../../stages/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const registry: Registry = { sources: SOURCES, stages: STAGES };

/** A source without imports, so that the module can lie anywhere. */
const moduleText = (name: string) => `
const mine = {
  name: '${name}', summary: 'Mine.', kind: 'task', tasks: ['caption'], options: { shape: {} },
  open: async () => ({ name: '${name}', length: 1, fingerprint: 'f', notes: [], get: async () => ({}) }),
};
export const sources = [mine];
export { mine };
export const helper = () => 1;
`;

const STAGE = `
export const stage = { name: 'my-stage', summary: 'Mine.', mayTrain: ['lora'], trains: ['lora'], accepts: ['task'] };
`;

const RUN = (plugins: string, more = '') => `version: 1
name: mine
stage: stage2-multitask
plugins: ${plugins}
model: { preset: tiny }
data: { mixture: { sources: [{ source: mine, root: data, task: caption${more} }] } }
train: { steps: 4, globalBatch: 2, optimizer: { lr: 1.0e-3 } }
`;

/** Writes files into a new folder and gives the path of the first. */
function files(named: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder('tristage-plugins-');
  for (const [name, text] of Object.entries(named)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return join(folder, Object.keys(named)[0] ?? '');
}

function refusal(named: Readonly<Record<string, string>>): Promise<TristageError> {
  return openRuns([files(named)], { registry }).then(
    () => assert.fail('nothing was refused'),
    (error: TristageError) => error,
  );
}

describe('plugins', () => {
  test('a source is found beside the file that names it, whatever the current directory is', async () => {
    const file = files({ 'configs/run.yaml': RUN('[../mine.mjs]'), 'mine.mjs': moduleText('mine') });
    const [run] = await openRuns([file], { registry });
    assert.equal(run?.registry.sources.at(-1)?.name, 'mine');
    assert.equal(run.registry.sources.length, SOURCES.length + 1, 'exported twice, there once');
    assert.deepEqual(run.config.plugins, [join(file, '../../mine.mjs')]);
  });

  test('a file that extends another has its plugins, relative to the other', async () => {
    const own = 'extends: base/base.yaml\nname: other\n';
    const base = RUN('[./mine.mjs]');
    const file = files({ 'run.yaml': own, 'base/base.yaml': base, 'base/mine.mjs': moduleText('mine') });
    const [run] = await openRuns([file], { registry });
    assert.equal(run?.config.name, 'other');
    assert.deepEqual(run.config.plugins, [join(file, '../base/mine.mjs')]);
  });

  test('a stage joins in the same way, and --set names plugins too', async () => {
    const file = files({ 'run.yaml': RUN('[]').replace('stage2-multitask', 'my-stage'), 'a.mjs': moduleText('mine') });
    const stage = files({ 'stage.mjs': STAGE });
    const set = [`plugins=[${join(file, '../a.mjs')}, ${stage}]`];
    const [run] = await openRuns([file], { registry, set });
    assert.deepEqual(run?.config.train.trainable, ['lora']);
  });

  test('each run has the plugins of its own file only', async () => {
    const mine = files({ 'run.yaml': RUN('[mine.mjs]'), 'mine.mjs': moduleText('mine') });
    const other = files({ 'run.yaml': RUN('[]') });
    await assert.rejects(openRuns([mine, other], { registry }), { exitStatus: 3 });
  });

  test('the resolved run names its plugins absolutely, so that it can be read from anywhere', async () => {
    const file = files({ 'run.yaml': RUN('[mine.mjs]'), 'mine.mjs': moduleText('mine') });
    const [run] = await openRuns([file], { registry });
    assert.ok(run !== undefined);
    const copy = files({ 'config.resolved.yaml': printConfig(run.config) });
    const [again] = await openRuns([copy], { registry });
    assert.deepEqual(again?.config, run.config);
  });

  test('a module that is not there, breaks, or exports nothing usable is refused with code, place and cure', async () => {
    const cases: [string, string | undefined, RegExp][] = [
      ['E_PLUGIN_IMPORT', undefined, /mine\.mjs/],
      ['E_PLUGIN_IMPORT', 'export const = 1;', /Unexpected token/],
      ['E_PLUGIN_IMPORT', "throw new Error('on purpose');", /on purpose/],
      ['E_PLUGIN_IMPORT', "import 'no-such-package-here';", /no-such-package-here/],
      ['E_PLUGIN_EMPTY', 'export const helper = () => 1;', /helper/],
      ['E_PLUGIN_EMPTY', '', /no exports/],
      ['E_PLUGIN_NAME', moduleText('coco-caption'), /coco-caption/],
    ];
    for (const [code, text, found] of cases) {
      const module: Record<string, string> = text === undefined ? {} : { 'mine.mjs': text };
      const error = await refusal({ 'run.yaml': RUN('[mine.mjs]'), ...module });
      assert.equal(error.code, code);
      assert.equal(error.exitStatus, 3);
      assert.match(error.found ?? '', found);
      assert.match(error.where ?? '', /run\.yaml:4:\d+$/);
      assert.ok(error.fix);
    }
  });

  test('only paths are taken: neither a package nor a URL', async () => {
    for (const name of ['yaml', 'data:text/javascript,export default 1', 'node:fs', 'https://example.org/a.mjs']) {
      const error = await refusal({ 'run.yaml': RUN(`["${name}"]`) });
      assert.equal(error.code, 'E_PLUGIN_IMPORT', name);
    }
  });

  test('what is no list of paths is the fault that the schema tells', async () => {
    for (const plugins of ['mine.mjs', '[1]', '[""]', '{ a: b }']) {
      const error = await refusal({ 'run.yaml': RUN(plugins) });
      assert.match(error.code, /^E_CONFIG/, plugins);
    }
  });

  test('checking a file without opening it executes nothing', () => {
    const file = files({ 'run.yaml': RUN('[mine.mjs]'), 'mine.mjs': "throw new Error('executed');" });
    assert.throws(() => resolveAll([file], { registry }), { code: 'E_CONFIG_VALUE' });
  });
});

test('modules named on the command line join in the same way', async () => {
  const file = files({ 'mine.mjs': moduleText('mine') });
  const joined = await withPluginFiles(registry, [file]);
  assert.equal(joined.sources.at(-1)?.name, 'mine');
  await assert.rejects(withPluginFiles(registry, ['no-such.mjs']), {
    code: 'E_PLUGIN_IMPORT',
    where: '--plugin no-such.mjs',
  });
});

describe('a run on disk', () => {
  test('is read without its plugins, which are not executed; only opening their data fails', async () => {
    const text = RUN('[mine.mjs]', ', side: 3').replace('stage2-multitask', 'my-stage');
    const trained = `${text.replace('  steps', 'trainable: [lora], steps')}eval: { sources: [{ source: mine, root: x, task: caption, deep: { a: 1 } }] }\n`;
    const folder = join(files({ 'config.resolved.yaml': trained, 'mine.mjs': "throw new Error('executed');" }), '..');
    const run = await readRun(folder, { registry });
    assert.equal(run.config.data.mixture.sources[0]?.['side'], 3);
    assert.deepEqual(run.config.eval?.sources[0]?.['deep'], { a: 1 });
    await assert.rejects(sourceOf('mine', run.registry).open({ root: 'data' }), { code: 'E_SOURCE_UNKNOWN' });
    await assert.rejects(readRun(folder, { registry, plugins: true }), { code: 'E_PLUGIN_IMPORT' });
  });

  test('keeps to the rules of its stage with sources that are not here', async () => {
    const weak = RUN('[]').replace('stage2-multitask', 'stage1-pretrain');
    const folder = join(files({ 'config.resolved.yaml': weak }), '..');
    assert.equal((await readRun(folder, { registry })).config.stage, 'stage1-pretrain');
  });
});

test('sources that a program hands in join those that ship, and may not take their names', () => {
  const [first] = SOURCES;
  assert.ok(first !== undefined);
  const mine = { ...first, name: 'mine' };
  const joined = joinRegistries(registry, { sources: [mine, mine], stages: [] });
  assert.deepEqual(joined.sources, [...SOURCES, mine]);
  assert.throws(() => joinRegistries(registry, { sources: [{ ...first }], stages: [] }), { code: 'E_PLUGIN_NAME' });
});
