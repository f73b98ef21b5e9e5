import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { openFeatureStore } from '../../../../lib/data/feature-store/store.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const CHILD = resolve(import.meta.dirname, '../../../support/feature-child.ts');
const VALUES = 200_000;
const ENTRIES = 40;

function start(dir: string, from: number, to: number): ChildProcess {
  const args = ['--import', 'tsx', CHILD, dir, String(from), String(to)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Until the child has printed the line. */
async function said(child: ChildProcess, line: string): Promise<void> {
  let text = '';
  for await (const piece of child.stdout ?? []) {
    text += String(piece);
    if (text.split('\n').includes(line)) return;
  }
  throw new Error(`the child ended before it said ${line}`);
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('processes that share a cache, one of them killed while it writes, leave whole entries only', async () => {
  const dir = temporaryFolder('tristage-features-shared-');
  const killed = start(dir, 0, ENTRIES);
  const other = start(dir, ENTRIES / 2, ENTRIES);
  await said(killed, '3');
  await kill(killed);
  await said(other, 'done');
  await kill(other);
  const store = await openFeatureStore({ dir, namespace: 'shared', values: VALUES, dtype: 'float32', maxBytes: 1e9 });
  let there = 0;
  for (let seed = 0; seed < ENTRIES; seed++) {
    const values = await store.get(`image ${seed}`);
    if (values === undefined) continue;
    there++;
    assert.ok(values.length === VALUES && values.every((value) => value === seed));
  }
  assert.equal(store.counts().corrupt, 0);
  assert.ok(there >= ENTRIES / 2 && there < ENTRIES, String(there));
});
