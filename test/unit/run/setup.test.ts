import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSetup } from '../../../lib/run/setup.ts';

test('a setup that believes what an earlier one checked reports the same, without checking again', async () => {
  const { seconds: _, ...checked } = await runSetup({ engine: 'torch' });
  const lines: string[] = [];
  const { seconds, ...known } = await runSetup({ engine: 'torch', known: true, log: (line) => lines.push(line) });
  assert.deepEqual(known, { ...checked, built: false });
  assert.ok(seconds >= 0);
  assert.deepEqual(lines, []);
});
