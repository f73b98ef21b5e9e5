/** Trying an engine in a child process: a child that fails or dies becomes a coded error here. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { runProbe } from '../../../lib/engine/probe-run.ts';

const root = mkdtempSync(join(tmpdir(), 'tristage-probe-'));
after(() => rmSync(root, { recursive: true, force: true }));
const REQUEST = { backend: 'tensorflow', device: 'cpu', measure: false } as const;

describe('probe', () => {
  test("the child's own error arrives with its code and cure", async () => {
    await assert.rejects(runProbe(REQUEST, { TRISTAGE_CACHE_DIR: join(root, 'empty') }), (error) => {
      assert.ok(error instanceof TristageError);
      assert.equal(error.code, 'E_ENGINE_MISSING');
      assert.match(error.fix ?? '', /tristage setup/);
      return true;
    });
  });

  test('a child that is killed, as by an instruction the processor lacks, is E_ENGINE_LOAD', async () => {
    const killer = join(root, 'killer.cjs');
    writeFileSync(killer, "if (process.argv[1]?.includes('probe')) process.kill(process.pid, 'SIGILL');");
    await assert.rejects(runProbe(REQUEST, { NODE_OPTIONS: `--require ${killer}` }), (error) => {
      assert.ok(error instanceof TristageError);
      assert.equal(error.code, 'E_ENGINE_LOAD');
      assert.match(error.found ?? '', /ended by a signal/);
      return true;
    });
  });
});
