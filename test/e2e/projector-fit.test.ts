/** `train.projectorFit`: when the projector is fitted, and that runs with it stay exact. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { readEvents } from '../../lib/report/events.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { trainRun } from '../../lib/run/train.ts';
import { keptLines, newFolder, tinyFile, tinyRun } from './tiny-scenes.ts';

const FIT = ['model.vocabulary=pruned', 'train.projectorFit.images=20'];

interface Trained {
  folder: string;
  fitted: string[];
  losses: number[];
}

async function train(set: readonly string[], { folder = newFolder(), resume = false } = {}): Promise<Trained> {
  const { logger, lines } = keptLines();
  await trainRun({ run: tinyRun(...set), folder, resume, registry, logger });
  const events = readEvents(join(folder, 'events.jsonl'));
  return {
    folder,
    fitted: lines.filter((line) => line.includes('projector: fitted')),
    losses: events.flatMap((event) => (event.event === 'step' ? [event.loss] : [])),
  };
}

const weights = ({ folder }: Trained): Buffer => readFileSync(join(folder, 'checkpoints/step-4/model.safetensors'));

describe('a projector that is fitted', () => {
  let whole: Trained;
  before(async () => {
    whole = await train(FIT);
  });

  test('is fitted before the first step, to as many images as were asked for', () => {
    assert.equal(whole.fitted.length, 1);
    const [, images, explained] = /words of (\d+) images; it explains ([\d.]+) %/.exec(whole.fitted[0] ?? '') ?? [];
    // Whole batches of four are looked at.
    assert.equal(images, '20');
    assert.ok(Number(explained) > 5, `${explained} %`);
  });

  test('is another start than a random one', async () => {
    const random = await train(FIT.slice(0, 1));
    assert.deepEqual(random.fitted, []);
    assert.notEqual(random.losses[0], whole.losses[0]);
  });

  test('gives the same bytes again, and a run that was cut back goes on without fitting', async () => {
    assert.deepEqual(weights(await train(FIT)), weights(whole));
    const folder = newFolder();
    cpSync(whole.folder, folder, { recursive: true });
    rmSync(join(folder, 'checkpoints/step-4'), { recursive: true });
    rmSync(join(folder, 'summary.json'));
    const resumed = await train(FIT, { folder, resume: true });
    assert.deepEqual(resumed.fitted, []);
    assert.deepEqual(weights(resumed), weights(whole));
  });

  test('stays as it is where a run starts from another', async () => {
    const next = await train([...FIT, `init.from=${whole.folder}`]);
    assert.deepEqual(next.fitted, []);
  });

  test('does not depend on packing, nor on whether features are cached', async () => {
    const packed = await train([...FIT, 'data.packing.maxTokens=192']);
    assert.equal(packed.fitted.length, 1);
    const dir = newFolder();
    const [empty, full] = [1, 2].map(() => [...FIT, `data.featureCache.dir=${dir}`]);
    const first = await train(empty ?? []);
    assert.equal(first.fitted[0], whole.fitted[0]);
    assert.deepEqual(weights(await train(full ?? [])), weights(first));
  });
});

test('a projector that does not train is refused', () => {
  const set = ['train.projectorFit.images=20', 'train.trainable=[lora]'];
  assert.throws(() => resolveAll([tinyFile()], { registry, set }), {
    code: 'E_CONFIG_RULE',
    found: /projectorFit/,
  });
});
