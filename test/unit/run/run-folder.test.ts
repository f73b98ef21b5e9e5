import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRunFolder, inspectRunFolder, readSummary, writeRunJson } from '../../../lib/run/run-folder.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = () => temporaryFolder('tristage-run-');

test('a new and an empty folder are taken, with and without --resume', async () => {
  for (const resume of [false, true]) {
    const empty = folder();
    assert.equal(inspectRunFolder(empty, resume), false);
    const missing = join(folder(), 'a', 'b');
    assert.equal(inspectRunFolder(missing, resume), false);
    assert.ok(!existsSync(missing));
    await createRunFolder(missing);
    assert.ok(existsSync(join(missing, 'checkpoints')));
  }
});

test('a folder with content is refused without --resume, and nothing in it changes', async () => {
  const full = folder();
  writeFileSync(join(full, 'thesis.txt'), 'three years');
  assert.throws(() => inspectRunFolder(full, false), { code: 'E_OUT_EXISTS', exitStatus: 2, where: full });
  assert.ok(!existsSync(join(full, 'checkpoints')));
});

test('--resume into a folder that holds no run is refused', async () => {
  const full = folder();
  writeFileSync(join(full, 'thesis.txt'), 'three years');
  assert.throws(() => inspectRunFolder(full, true), { code: 'E_OUT_FOREIGN', exitStatus: 2 });
});

test('--resume into a run finds it', async () => {
  const run = folder();
  writeFileSync(join(run, 'config.resolved.yaml'), 'version: 1\n');
  assert.equal(inspectRunFolder(run, true), true);
});

test('--resume into what a run left that was killed at once starts anew', async () => {
  const run = folder();
  mkdirSync(join(run, 'checkpoints'));
  assert.equal(inspectRunFolder(run, true), false);
});

test('a file in the place of the folder is a coded error', async () => {
  const parent = folder();
  writeFileSync(join(parent, 'file'), '');
  assert.throws(() => inspectRunFolder(join(parent, 'file'), false), { code: 'E_OUT', exitStatus: 2 });
});

test('a summary is read back; a run without one has none', async () => {
  const run = folder();
  assert.equal(readSummary(run), undefined);
  mkdirSync(join(run, 'x'));
  await writeRunJson(run, 'summary.json', { step: 3 });
  assert.equal(readSummary(run)?.step, 3);
});
