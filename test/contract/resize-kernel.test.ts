import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { resizeKernelFile } from '../data/make/resize-kernel.ts';

test('the module of the resize is what its source compiles to', async () => {
  const { path, text } = await resizeKernelFile();
  assert.equal(readFileSync(path, 'utf8'), text, 'run `npm run kernel`');
});
