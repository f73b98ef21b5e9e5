/** `tristage init`: files that validate as they are, and never replace any. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { main } from '../../bin/main.ts';
import { registry } from '../../bin/registry.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { initRunFiles } from '../../lib/run/init.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NAMES = ['stage1.yaml', 'stage2.yaml', 'stage3.yaml'];
const newFolder = () => join(temporaryFolder('tristage-init-'), 'a', 'b');

test('three stages are written that validate as they are, each starting from the one before', async () => {
  const folder = newFolder();
  assert.equal(await main(['init', folder]), 0);
  assert.deepEqual(readdirSync(folder).sort(), NAMES);
  const files = NAMES.map((name) => join(folder, name));
  assert.equal(await main(['validate', ...files]), 0);
  const configs = resolveAll(files, { registry }).map(({ config }) => config);
  assert.deepEqual(
    configs.map(({ name, stage, init }) => [name, stage, init?.from]),
    [
      ['stage1', 'stage1-pretrain', undefined],
      ['stage2', 'stage2-multitask', 'stage1'],
      ['stage3', 'stage3-instruct', 'stage2'],
    ],
  );
});

test('data is named below an environment variable, and editors find the schema', async () => {
  const folder = newFolder();
  for (const file of await initRunFiles(folder)) {
    const text = readFileSync(file, 'utf8');
    const roots = text.match(/^\s+root: .*/gm) ?? [];
    assert.ok(roots.length > 0 && roots.every((line) => /\$\{DATA_ROOT:-data\}\//.test(line)), file);
    const schema = /\$schema=(\S+)/.exec(text)?.[1] ?? '';
    assert.ok(existsSync(resolve(dirname(file), schema)), schema);
  }
});

test('what is there is never replaced', async () => {
  const folder = newFolder();
  await initRunFiles(folder);
  const mine = join(folder, 'stage2.yaml');
  writeFileSync(mine, 'mine');
  await assert.rejects(initRunFiles(folder), { code: 'E_OUT_EXISTS', exitStatus: 2 });
  assert.equal(readFileSync(mine, 'utf8'), 'mine');
  await assert.rejects(initRunFiles(join(mine, 'below')), { code: 'E_OUT', exitStatus: 2 });
});
