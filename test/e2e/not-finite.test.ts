/** Steps that are not finite: left out, kept for a look, and too many of them end the run. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { fromFloat32 } from '../../lib/formats/host-tensor.ts';
import { readSafetensors, writeSafetensors } from '../../lib/formats/safetensors.ts';
import { readEvents } from '../../lib/report/events.ts';
import { replayDump, replayText } from '../../lib/run/replay.ts';
import { trainRun } from '../../lib/run/train.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

/** A projector whose outputs overflow. */
async function hugeProjector(): Promise<string> {
  const file = join(newFolder(), 'huge.safetensors');
  const weight = fromFloat32(new Float32Array(16 * 64).fill(3e38), [16, 64]);
  const bias = fromFloat32(new Float32Array(16), [16]);
  await writeSafetensors(
    file,
    new Map([
      ['llama_proj.weight', weight],
      ['llama_proj.bias', bias],
    ]),
  );
  return file;
}

test('within the budget steps are left out, the weights stay, and each batch can be replayed', async () => {
  const folder = join(newFolder(), 'run');
  const projector = await hugeProjector();
  const { logger, lines } = keptLines();
  const run = tinyRun(`model.weights.projector=${projector}`, 'train.onNonFinite.skip=4', 'train.checkpoint.keep=1');
  const summary = await trainRun({ run, folder, resume: false, registry, logger });
  assert.equal(summary.skipped, 4);
  assert.equal(summary.lossLast, null);
  const events = readEvents(join(folder, 'events.jsonl'));
  assert.deepEqual(
    events.filter(({ event }) => event === 'skip').map((event) => ('dump' in event ? event.dump : '')),
    [1, 2, 3, 4].map((step) => `dumps/step-${step}`),
  );
  assert.match(lines.join('\n'), /warning: step 2 is left out: its (loss|gradient) is not finite \(2 of 4\)/);

  const model = await readSafetensors(join(folder, 'checkpoints/step-4/model.safetensors'));
  const weight = new Float32Array(model.get('llama_proj.weight')!.bytes.slice().buffer);
  assert.ok(weight.every((value) => value === Math.fround(3e38)));
  // The checkpoint that dumps refer to stays beside the newest one.
  assert.deepEqual(readdirSync(join(folder, 'checkpoints')).sort(), ['step-2', 'step-4']);

  for (const step of [1, 3]) {
    const found = await replayDump(join(folder, `dumps/step-${step}`), { registry, logger });
    assert.equal(found.facts.checkpoint, step === 1 ? null : 2);
    assert.equal(found.facts.updatesSince, 0);
    assert.equal(found.rows.length, 4);
    assert.ok(found.rows.every(({ id, tokens }) => id !== '' && tokens > 0));
    assert.ok(found.rows.some(({ loss }) => !Number.isFinite(loss)) || found.gradients.length > 0);
    assert.match(replayText(found), new RegExp(`^step ${step}: the (loss|gradient) was not finite`));
  }
});

test('over the budget the run stops with status 7 and names the dump; with a larger one it goes on', async () => {
  const folder = join(newFolder(), 'run');
  const projector = `model.weights.projector=${await hugeProjector()}`;
  const { logger } = keptLines();
  const start = (skip: number, resume: boolean) =>
    trainRun({ run: tinyRun(projector, `train.onNonFinite.skip=${skip}`), folder, resume, registry, logger });
  await assert.rejects(start(2, false), (error: unknown) => {
    assert.ok(error instanceof TristageError);
    assert.equal(error.code, 'E_NOT_FINITE');
    assert.equal(error.exitStatus, 7);
    assert.ok(error.where?.includes(join(folder, 'dumps/step-3')));
    return true;
  });
  assert.ok(existsSync(join(folder, 'dumps/step-3/batch.safetensors')));
  await assert.rejects(start(2, true), { code: 'E_NOT_FINITE' });
  assert.equal((await start(4, true)).skipped, 4);
});

test('packed rows of a pruned vocabulary are replayed example by example', async () => {
  const folder = join(newFolder(), 'run');
  const { logger } = keptLines();
  const more = ['model.vocabulary=pruned', 'data.packing.maxTokens=200', 'train.loss.weighting=answer-root'];
  const run = tinyRun(`model.weights.projector=${await hugeProjector()}`, 'train.steps=1', ...more);
  await trainRun({ run, folder, resume: false, registry, logger });
  const { rows } = await replayDump(join(folder, 'dumps/step-1'), { registry, logger });
  assert.equal(rows.length, 4);
  assert.ok(rows.every(({ id, tokens }) => id !== '' && tokens > 0));
  assert.ok(rows.some(({ loss }) => !Number.isFinite(loss)));
});

test('a finite batch replays to the losses that training saw, and a folder that is no dump is refused', async () => {
  const folder = join(newFolder(), 'run');
  const { logger } = keptLines();
  const bad = tinyRun(`model.weights.projector=${await hugeProjector()}`, 'train.onNonFinite.skip=4', 'train.steps=1');
  await trainRun({ run: bad, folder, resume: false, registry, logger });
  const good = join(newFolder(), 'good');
  await trainRun({ run: tinyRun('train.steps=1'), folder: good, resume: false, registry, logger });
  cpSync(join(folder, 'dumps'), join(good, 'dumps'), { recursive: true });
  const { rows, gradients, weights } = await replayDump(join(good, 'dumps/step-1'), { registry, logger });
  const tokens = rows.reduce((sum, row) => sum + row.tokens, 0);
  const mean = rows.reduce((sum, row) => sum + row.loss * row.tokens, 0) / tokens;
  const [first] = readEvents(join(good, 'events.jsonl')).filter(({ event }) => event === 'step');
  assert.ok(first?.event === 'step' && Math.abs(mean - first.loss) < 1e-6, `${mean}`);
  assert.deepEqual([gradients, weights], [[], []]);
  rmSync(join(good, 'dumps/step-1/batch.json'));
  await assert.rejects(replayDump(join(good, 'dumps/step-1'), { registry, logger }), { code: 'E_DUMP', exitStatus: 4 });
});

test('TensorBoard files hold what events hold', async () => {
  const folder = join(newFolder(), 'run');
  const { logger } = keptLines();
  await trainRun({ run: tinyRun('train.steps=1'), folder, resume: false, registry, logger });
  const [file = ''] = readdirSync(join(folder, 'tensorboard'));
  const text = readFileSync(join(folder, 'tensorboard', file), 'latin1');
  for (const tag of ['loss/all', 'lr', 'gradient_norm', 'speed/samples_per_second', 'speed/data_wait']) {
    assert.ok(text.includes(tag), tag);
  }
  assert.ok(/loss\/(identify|refer)/.test(text));
});
