import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { main } from '../../../bin/main.ts';
import { registry } from '../../../bin/registry.ts';
import { faultsOf } from '../../../lib/config/errors.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { llamaShapes, visionShapes } from '../../../lib/model/shapes.ts';
import { checkRunWeights, checkWeights } from '../../../lib/run/check-weights.ts';
import { dryRunAll } from '../../../lib/run/dry-run.ts';
import { modelConfigOf } from '../../../lib/run/model-config.ts';
import { planRuns } from '../../../lib/run/planning/index.ts';
import { trainAll } from '../../../lib/run/train-all.ts';
import { keptLines, newFolder, tinyFile, tinyRun } from '../../e2e/tiny-scenes.ts';
import { writeEvaFile, writeLlamaFolder } from '../../support/published-weights.ts';

const folder = newFolder();
const [eva, llama] = [join(folder, 'eva_vit_g.pth'), join(folder, 'llama')];
const set = [`model.weights.vision=${eva}`, `model.weights.llm=${llama}`];
const { vision, llm } = modelConfigOf(tinyRun().config);

const codesOf = (error: unknown): string[] => faultsOf(error).map((fault) => (fault as TristageError).code);

async function refusal(action: Promise<unknown>): Promise<TristageError> {
  const error = await action.then(
    () => assert.fail('it was accepted'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof TristageError, String(error));
  return error;
}

describe('weights are compared with the model by their headers', () => {
  test('files that fit are told so by validate, plan and a dry run', async () => {
    await writeEvaFile(eva, vision);
    await writeLlamaFolder(llama, llm);
    const there = [
      { key: 'vision', path: eva, there: true },
      { key: 'llm', path: llama, there: true },
    ];
    assert.deepEqual(await checkRunWeights([tinyRun(...set)]), [there]);
    const { logger } = keptLines();
    const [run] = await dryRunAll({ files: [tinyFile()], set, registry, logger });
    assert.deepEqual(run?.weights, there);
    assert.match(run?.lines.join('\n') ?? '', /vision from .*, whose headers fit the model/);
    assert.equal((await planRuns({ files: [tinyFile()], set, registry, logger })).length, 1);
  });

  test('every fault of every file is told at once, by each command, with status 8', async () => {
    await writeEvaFile(eva, { ...vision, width: 24 });
    await writeLlamaFolder(llama, { ...llm, layers: 2, rmsEps: 1e-6 });
    const { logger } = keptLines();
    const request = { files: [tinyFile()], set, registry, logger };
    const refusals = [
      await refusal(checkRunWeights([tinyRun(...set)])),
      await refusal(dryRunAll(request)),
      await refusal(planRuns(request)),
    ];
    for (const error of refusals) {
      assert.equal(error.code, 'E_WEIGHTS');
      assert.equal(error.exitStatus, 8);
      assert.deepEqual(codesOf(error), ['E_WEIGHT_SHAPE', 'E_LLAMA_MISMATCH', 'E_WEIGHT_UNKNOWN']);
      assert.match(error.message, /found: {4}model\.llm layers: 1; rmsEps: 0\.00001/);
      assert.match(error.message, /expected: layers: 2; rmsEps: 0\.000001/);
    }
    assert.equal(await main(['validate', tinyFile(), ...set.flatMap((one) => ['--set', one])]), 8);
  });

  test('training ends on them before it opens any data', async () => {
    const out = join(newFolder(), 'run');
    const nowhere = '[{ source: coco-caption, root: no/such/data }]';
    const lines = [...set, `data.mixture.sources=${nowhere}`];
    const { logger } = keptLines();
    const error = await refusal(trainAll({ files: [tinyFile()], set: lines, out, resume: false, registry, logger }));
    assert.equal(error.code, 'E_WEIGHTS');
  });

  test('faults of data and of weights come together', async () => {
    const lines = [...set, 'data.mixture.sources=[{ source: coco-caption, root: no/such/data }]'];
    const error = await refusal(dryRunAll({ files: [tinyFile()], set: lines, registry, logger: keptLines().logger }));
    assert.equal(error.code, 'E_DATA');
    assert.equal(codesOf(error).length, 4);
    assert.match(error.message, /4 faults in the data and the weights/);
  });

  test('a file that is not there is told by the checks, and refused by training', async () => {
    rmSync(eva);
    await writeLlamaFolder(llama, llm);
    assert.deepEqual(
      (await checkRunWeights([tinyRun(...set)]))[0]?.map(({ there }) => there),
      [false, true],
    );
    const { logger } = keptLines();
    const out = join(newFolder(), 'run');
    const error = await refusal(trainAll({ files: [tinyFile()], set, out, resume: false, registry, logger }));
    assert.deepEqual([error.code, error.where], ['E_FILE_READ', eva]);
  });

  test('what a run goes on from is not asked of files', async () => {
    await writeLlamaFolder(llama, { ...llm, layers: 2 });
    const run = tinyRun(...set);
    const names = ['llama_model.model.embed_tokens.weight'];
    const holds = (held: readonly string[]) => ({
      pieces: undefined,
      weights: {
        where: 'a run',
        open: async () => ({ names: held, read: () => assert.fail('a tensor was read'), close: async () => undefined }),
      },
    });
    assert.ok((await checkWeights(run, holds(names))).faults.length > 0);
    assert.deepEqual((await checkWeights(run, holds([...everyName()]))).faults, []);
  });
});

function everyName(): Iterable<string> {
  const { vision: tower, llm: language } = modelConfigOf(tinyRun().config);
  return [...visionShapes(tower).keys(), ...llamaShapes(language).keys()];
}
