import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { kernelFiles } from '../data/make/kernels.ts';

test('every WebAssembly module is what its source compiles to', async () => {
  const files = await kernelFiles();
  assert.equal(files.length, 2);
  for (const { path, text } of files) assert.equal(readFileSync(path, 'utf8'), text, `${path}: run \`npm run kernel\``);
});
