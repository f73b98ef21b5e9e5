/** `tristage train --dry-run`: the plan without weights, and every missing path at once. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { main } from '../../bin/main.ts';
import { registry } from '../../bin/registry.ts';
import { faultsOf } from '../../lib/config/errors.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { dryRunAll } from '../../lib/run/dry-run.ts';
import { keptLines, newFolder, tinyFile } from '../e2e/tiny-scenes.ts';
import { formatRun, validRun } from './valid-run.ts';

const dryRun = (files: readonly string[], ...set: string[]) =>
  dryRunAll({ files, set, registry, logger: keptLines().logger });

test('the plan says what trains, how long, how often each source is seen, and what a checkpoint takes', async () => {
  const file = tinyFile();
  const [run] = await dryRun([file], 'train.steps=100', 'model.weights.vision=no/such/eva.pth');
  assert.ok(run !== undefined);
  const { plan } = run;
  assert.equal(plan.samples, 400);
  assert.deepEqual(
    plan.sources.map(({ share, samples }) => [share, samples]),
    [
      [0.5, 64],
      [0.5, 64],
    ],
  );
  const trained = plan.parameters.projector + plan.parameters.lora + plan.parameters.llm;
  assert.equal(plan.trainable, trained);
  assert.equal(plan.frozen, plan.parameters.vision);
  assert.deepEqual([run.firstBatch?.rows, run.firstBatch?.images, run.firstBatch?.examples], [4, 4, 4]);
  assert.ok(run.firstBatch!.tokens > plan.tokensPerImage);
  // A published vision tower is not stored again, but for the norm behind it, which the file may lack.
  assert.equal(run.checkpointBytes, 12 * trained + 4 * 2 * 16);
  assert.deepEqual(run.weights, [{ key: 'vision', path: 'no/such/eva.pth', there: false }]);
  const text = run.lines.join('\n');
  for (const part of ['steps of 4 samples', '4 tokens an image', 'epochs', 'MB each', 'which is not there yet']) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  assert.deepEqual(readdirSync(dirname(file)), ['tiny.yaml']);
});

test('without data every missing path of all files is named at once, of questions too, with status 4', async () => {
  const folder = newFolder();
  const first = join(folder, 'first.yaml');
  writeFileSync(first, formatRun({ ...validRun, root: 'missing/one' }));
  const second = join(folder, 'second.yaml');
  const line = (root: string) => `{ source: coco-caption, root: ${root} }`;
  const text = formatRun({ name: 'second', root: 'x' }).replace(
    line('x'),
    `${line('missing/two')}, ${line('missing/three')}`,
  );
  writeFileSync(second, `${text}eval: { sources: [${line('missing/four')}] }\n`);
  await assert.rejects(dryRun([first, second]), (error: unknown) => {
    assert.ok(error instanceof TristageError);
    assert.equal(error.exitStatus, 4);
    const faults = faultsOf(error).map((fault) => JSON.stringify(fault, ['message', 'where', 'found', 'fix']));
    assert.equal(faults.length, 4);
    for (const [index, name] of ['one', 'two', 'three', 'four'].entries()) {
      assert.ok(faults[index]?.includes(`missing/${name}`), faults[index]);
    }
    return true;
  });
  assert.equal(await main(['train', first, second, '--dry-run']), 4);
});

test('the stage of the vision tower has a plan too', async () => {
  const [run] = await dryRun(['configs/quickstart/vision.yaml']);
  assert.equal(run?.plan.frozen, 0);
  assert.equal(run?.checkpointBytes, 12 * (run?.plan.trainable ?? 0));
  assert.match(run?.lines.join(' ') ?? '', /kinds of object/);
});
