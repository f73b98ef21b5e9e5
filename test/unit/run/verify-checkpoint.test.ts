import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { main } from '../../../bin/main.ts';
import { writeCheckpoint } from '../../../lib/checkpoint/store.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { fromFloat32 } from '../../../lib/formats/host-tensor.ts';
import type { TensorSource } from '../../../lib/formats/safetensors.ts';
import { runVerify } from '../../../lib/run/verify.ts';
import { trainState } from '../../../lib/train/state.ts';
import { keptLines, newFolder } from '../../e2e/tiny-scenes.ts';

const folder = newFolder();
const { logger } = keptLines();

const vector = (...values: number[]): TensorSource => {
  const tensor = fromFloat32(Float32Array.from(values), [values.length]);
  return { dtype: 'F32', shape: tensor.shape, read: () => tensor };
};
const count: TensorSource = {
  dtype: 'I32',
  shape: [],
  read: () => ({ dtype: 'I32', shape: [], bytes: new Uint8Array(Int32Array.of(7).buffer) }),
};

interface Written {
  run: string;
  step?: number;
  values?: readonly number[];
  moments?: readonly number[];
}

/** A checkpoint of step 7 unless something is said otherwise; its folder. */
function write({ run, step = 7, values = [1, 2], moments = [3, 4] }: Written): Promise<string> {
  const name = 'llama_proj.bias';
  return writeCheckpoint({
    runDir: join(folder, run),
    step: 7,
    model: new Map([[name, vector(...values)]]),
    optimizer: new Map([
      [`step.${name}`, count],
      [`exp_avg.${name}`, vector(...moments)],
      [`exp_avg_sq.${name}`, vector(...moments)],
    ]),
    state: trainState({ step, globalBatch: 4, seed: 1, identity: 'a', data: 'b' }),
  });
}

const refused = (where: string, found: RegExp) => (error: unknown) => {
  assert.ok(error instanceof TristageError, String(error));
  assert.deepEqual([error.code, error.where, error.exitStatus], ['E_CHECKPOINT_DAMAGED', where, 8]);
  assert.match(error.found ?? '', found);
  return true;
};

describe('verify of a checkpoint', () => {
  let whole: string;
  before(async () => {
    whole = await write({ run: 'whole' });
  });

  /** A copy under the same name, changed. */
  function changed(name: string, change: (path: string) => void): string {
    const path = join(folder, name, 'step-7');
    cpSync(whole, path, { recursive: true });
    change(path);
    return path;
  }

  test('says step and tensors of a whole one, and names a file that does not belong to it', async () => {
    const path = changed('stranger', (copy) => writeFileSync(join(copy, 'notes.txt'), 'mine'));
    const result = await runVerify({ path, logger });
    assert.ok(result.kind === 'checkpoint');
    assert.deepEqual([result.step, result.trained, result.notFinite], [7, 1, 0]);
    assert.deepEqual(
      result.tensors.map(({ name }) => name),
      ['llama_proj.bias'],
    );
    assert.deepEqual(result.strangers, ['notes.txt']);
    assert.equal(await main(['verify', whole]), 0);
  });

  test('finds one changed byte, a file cut short and a missing one, each of every file', async () => {
    for (const name of readdirSync(whole)) {
      if (name === 'manifest.json') continue;
      const flipped = changed(`flip-${name}`, (copy) => {
        const bytes = readFileSync(join(copy, name));
        bytes[bytes.length - 2] = (bytes.at(-2) as number) ^ 1;
        writeFileSync(join(copy, name), bytes);
      });
      await assert.rejects(runVerify({ path: flipped, logger }), refused(join(flipped, name), /^SHA-256 /));
      const short = changed(`short-${name}`, (copy) => truncateSync(join(copy, name), 5));
      await assert.rejects(runVerify({ path: short, logger }), refused(join(short, name), /^5 bytes/));
      const gone = changed(`gone-${name}`, (copy) => rmSync(join(copy, name)));
      await assert.rejects(runVerify({ path: gone, logger }), refused(join(gone, name), /ENOENT|no such/));
    }
  });

  test('finds a missing manifest, and a folder of another step', async () => {
    const without = changed('without', (copy) => rmSync(join(copy, 'manifest.json')));
    await assert.rejects(runVerify({ path: without, logger }), refused(join(without, 'manifest.json'), /./));
    const other = join(folder, 'renamed', 'step-8');
    cpSync(whole, other, { recursive: true });
    await assert.rejects(runVerify({ path: other, logger }), refused(join(other, 'manifest.json'), /step 7/));
  });

  test('finds files that contradict each other though their hashes are right', async () => {
    const state = await write({ run: 'state', step: 6 });
    await assert.rejects(runVerify({ path: state, logger }), refused(join(state, 'state.json'), /step 6/));
    const moments = await write({ run: 'moments', moments: [1, 2, 3] });
    await assert.rejects(
      runVerify({ path: moments, logger }),
      refused(join(moments, 'optimizer.safetensors'), /3 values for llama_proj\.bias/),
    );
  });

  test('ends with status 8 where a value is not finite', async () => {
    const path = await write({ run: 'nan', values: [1, Number.NaN] });
    assert.equal(await main(['verify', path]), 8);
  });
});
