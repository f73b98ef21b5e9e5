/** Runs that start from published weights in miniature: loaded, told, and held to the same files when they go on. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { modelConfigOf } from '../../lib/run/model-config.ts';
import { trainRun } from '../../lib/run/train.ts';
import { writeEvaFile, writeLlamaFolder } from '../support/published-weights.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

const folder = newFolder();
const [eva, llama, started] = [join(folder, 'eva_vit_g.pth'), join(folder, 'llama'), join(folder, 'run')];

function settings(files: { eva: string; llama: string }): string[] {
  return [
    'train.trainable=[projector, lora]',
    `model.weights.vision=${files.eva}`,
    `model.weights.llm=${files.llama}`,
    'train.checkpoint.everySteps=1',
  ];
}

/** A copy of the run that was stopped after two of its four steps. */
function stopped(name: string): string {
  const copy = join(folder, name);
  cpSync(started, copy, { recursive: true });
  return copy;
}

const goOn = (run: string, files = { eva, llama }) =>
  trainRun({ run: tinyRun(...settings(files)), folder: run, resume: true, registry, logger: keptLines().logger });

const refused = (code: string, where: string) => (error: unknown) => {
  assert.ok(error instanceof TristageError, String(error));
  assert.deepEqual([error.code, error.where, error.exitStatus], [code, where, 8]);
  return true;
};

describe('a run from published weights', () => {
  before(async () => {
    const { vision, llm } = modelConfigOf(tinyRun().config);
    await writeEvaFile(eva, vision);
    await writeLlamaFolder(llama, llm);
    const { logger, lines } = keptLines();
    const stop = new AbortController();
    await trainRun({
      run: tinyRun(...settings({ eva, llama })),
      folder: started,
      resume: false,
      registry,
      logger,
      signal: stop.signal,
      onStep: ({ step }) => step === 2 && stop.abort(),
    });
    const told = lines.filter((line) => line.includes('weights of'));
    assert.equal(told.length, 2);
    assert.match(told[0] ?? '', /\(eva\): \d+ found, 2 missing, they start anew, 4 ignored, cast from \d+ F16 to F32/);
    assert.match(told[1] ?? '', /\(llama\): \d+ found, 0 missing/);
  });

  test('goes on with the same weights at another place', async () => {
    const moved = join(folder, 'moved');
    cpSync(llama, moved, { recursive: true });
    const { finished, step } = await goOn(stopped('same'), { eva, llama: moved });
    assert.deepEqual([finished, step], [true, 4]);
  });

  test('does not go on with other weights of the same shapes', async () => {
    const other = join(folder, 'other');
    cpSync(llama, other, { recursive: true });
    const shard = join(other, 'model-00002-of-00002.safetensors');
    const bytes = readFileSync(shard);
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    writeFileSync(shard, bytes);
    await assert.rejects(goOn(stopped('changed'), { eva, llama: other }), refused('E_RESUME_WEIGHTS', shard));
  });

  test('does not go on where its own record is gone', async () => {
    const run = stopped('without');
    renameSync(join(run, 'run.json'), join(run, 'run.old'));
    await assert.rejects(goOn(run), refused('E_RESUME_WEIGHTS', join(run, 'run.json')));
  });
});
