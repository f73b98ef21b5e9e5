/**
 * Holds the writer of event files against TensorBoard's own reader, by hand:
 *   python3 -m venv VENV && VENV/bin/pip install tensorboard
 *   npx tsx test/interop/tensorboard.ts VENV/bin/python
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openScalarWriter, tfRecord } from '../../lib/report/tensorboard.ts';

const python = process.argv[2];
if (python === undefined) throw new Error('usage: npx tsx test/interop/tensorboard.ts PYTHON');
const folder = mkdtempSync(join(tmpdir(), 'tristage-tensorboard-'));
try {
  // A first process gets to step 60, its last checkpoint is that of step 40; a second one goes on from there.
  const expected: [number, number][] = [];
  const first = openScalarWriter({ folder, time: 1700000000 });
  for (let step = 1; step <= 60; step++)
    first.write(step, { 'loss/all': 5 / step, lr: 1e-5 * step }, 1700000000 + step);
  first.close();
  // It was killed in the middle of a record.
  appendFileSync(first.path, tfRecord(new Uint8Array(40)).subarray(0, 30));
  const second = openScalarWriter({ folder, time: 1700000100, resumeFrom: 40 });
  for (let step = 41; step <= 90; step++)
    second.write(step, { 'loss/all': -1 / step, lr: 1e-5 * step }, 1700000100 + step);
  second.close();
  for (let step = 1; step <= 90; step++) expected.push([step, Math.fround(step <= 40 ? 5 / step : -1 / step)]);

  const output = execFileSync(python, [join(import.meta.dirname, 'read_events.py'), folder], { encoding: 'utf8' });
  const scalars = JSON.parse(output) as Record<string, [number, number][]>;
  assert.deepEqual(Object.keys(scalars).sort(), ['loss/all', 'lr']);
  assert.deepEqual(scalars['loss/all'], expected);
  assert.equal(scalars['lr']?.length, 90);
  console.log(`TensorBoard reads back ${expected.length} steps of 2 scalars, the repeated steps once`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
