/** The reference of the public API is complete: TypeDoc, on a TypeScript of its own, has nothing to warn of. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { mustRun, ROOT, run } from './installed-package.ts';

const FOLDER = join(ROOT, 'docs/api');
const OPTIONS = join(FOLDER, 'typedoc.json');

before(() => {
  const [lock, installed] = ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => join(FOLDER, name));
  if (existsSync(installed!) && statSync(installed!).mtimeMs >= statSync(lock!).mtimeMs) return;
  mustRun('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], FOLDER);
});

test('every exported symbol of lib/index.ts and everything that it refers to is documented', () => {
  const typedoc = join(FOLDER, 'node_modules/typedoc/bin/typedoc');
  const { status, stdout, stderr } = run(process.execPath, [typedoc, '--options', OPTIONS, '--emit', 'none'], ROOT);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
});

test('a warning is an error there, and no symbol is left out but those named', () => {
  const options = JSON.parse(readFileSync(OPTIONS, 'utf8')) as Record<string, unknown>;
  assert.equal(options['treatWarningsAsErrors'], true);
  assert.equal(options['treatValidationWarningsAsErrors'], true);
  assert.deepEqual(options['requiredToBeDocumented'], ['Class', 'Function', 'Interface', 'TypeAlias', 'Variable']);
  assert.deepEqual(options['intentionallyNotExported'], ['runSchema', 'SCORED_TASKS', 'RowSource']);
});
