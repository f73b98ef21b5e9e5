import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { kernelFiles } from '../data/make/kernels.ts';

test('the modules of the resize and of the JPEG decoder are what their sources compile to', async () => {
  const files = await kernelFiles();
  assert.equal(files.length, 2);
  for (const { path, text } of files) assert.equal(readFileSync(path, 'utf8'), text, `${path}: run \`npm run kernel\``);
});
