/** Runs with a feature cache: what they compute, what they count, and how they go on. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { registry } from '../../bin/registry.ts';
import { readEvents } from '../../lib/report/events.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { readDump, writeDump } from '../../lib/run/dump.ts';
import { evaluateRun } from '../../lib/run/eval.ts';
import { type PredictRequest, runPredict } from '../../lib/run/predict.ts';
import { prepareFeatures } from '../../lib/run/prepare-features.ts';
import { type RunSummary, readSummary } from '../../lib/run/run-folder.ts';
import { trainRun } from '../../lib/run/train.ts';
import { keptLines, newFolder, tinyFile, tinyRun } from './tiny-scenes.ts';

/** A run of six steps over few scenes, so that they come again. */
const SMALL = [
  'model.vocabulary=pruned',
  'train.steps=6',
  'train.checkpoint.everySteps=3',
  'data.mixture.sources.0.count=10',
  'data.mixture.sources.1.count=10',
];

interface Trained {
  folder: string;
  losses: number[];
  summary: RunSummary;
  lines: string[];
}

async function train(set: readonly string[], { folder = newFolder(), resume = false } = {}): Promise<Trained> {
  const { logger, lines } = keptLines();
  const run = tinyRun(...SMALL, ...set);
  const summary = await trainRun({ run, folder, resume, registry, logger });
  return { folder, summary, lines, losses: steps(folder).map(({ loss }) => loss) };
}

const steps = (folder: string) =>
  readEvents(join(folder, 'events.jsonl')).flatMap((event) => (event.event === 'step' ? [event] : []));

const weights = (folder: string): Buffer => readFileSync(join(folder, 'checkpoints/step-6/model.safetensors'));

/** Takes back what came after step 3. */
function cutBack(trained: Trained): string {
  const folder = newFolder();
  cpSync(trained.folder, folder, { recursive: true });
  rmSync(join(folder, 'checkpoints/step-6'), { recursive: true });
  rmSync(join(folder, 'summary.json'));
  return folder;
}

function entries(dir: string): string[] {
  const found = readdirSync(dir, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const cacheIn = (dir: string): string => `data.featureCache.dir=${dir}`;

describe('a run with a feature cache', () => {
  const dir = newFolder();
  let plain: Trained;
  let cold: Trained;
  let images = 0;
  before(async () => {
    plain = await train([]);
    cold = await train([cacheIn(dir)]);
    images = entries(dir).length;
  });

  test('computes the same to the bit whether the cache is empty or full, and what a run without one computes', async () => {
    const warm = await train([cacheIn(dir)]);
    assert.deepEqual(warm.losses, cold.losses);
    assert.ok(weights(warm.folder).equals(weights(cold.folder)));
    // Without a cache images go through the tower several at a time, which may change the last bits.
    assert.ok(plain.losses.every((loss, step) => Math.abs(loss - cold.losses[step]!) < 1e-6 * loss));
    assert.equal(cold.summary.featureCache?.misses, images);
    assert.deepEqual(warm.summary.featureCache, {
      ...{ hits: images + cold.summary.featureCache!.hits, misses: 0 },
      ...{ corrupt: 0, evicted: 0, unstored: 0 },
    });
  });

  test('counts in events, summary and progress, and says nothing where there is no cache', async () => {
    const ofSteps = steps(cold.folder).map(({ features }) => features!);
    const sum = (name: 'hits' | 'misses') => ofSteps.reduce((all, counts) => all + counts[name], 0);
    const { hits, misses } = readSummary(cold.folder)!.featureCache!;
    assert.deepEqual([sum('hits'), sum('misses')], [hits, misses]);
    assert.ok(hits > 0 && misses > 0);
    const end = readEvents(join(cold.folder, 'events.jsonl')).at(-1);
    assert.deepEqual(end?.event === 'end' && end.features, cold.summary.featureCache);
    assert.ok(cold.lines.includes(`features: ${hits} of ${hits + misses} images from the cache, ${misses} computed`));
    assert.ok(cold.lines.some((line) => /step 1\/6 .* cached 0 %/.test(line)));
    assert.equal(plain.summary.featureCache, undefined);
    assert.ok(!plain.lines.some((line) => line.includes('cached')));
  });

  test('goes on to the same bytes with the cache that it had and with an empty one', async () => {
    for (const set of [[cacheIn(dir)], [cacheIn(newFolder())]]) {
      const { folder, losses, summary } = await train(set, { folder: cutBack(cold), resume: true });
      assert.deepEqual(losses, cold.losses);
      assert.ok(weights(folder).equals(weights(cold.folder)));
      const { hits = 0, misses = 0 } = summary.featureCache ?? {};
      const first = steps(cold.folder)
        .slice(0, 3)
        .map(({ features }) => features!.misses);
      assert.ok(misses >= first.reduce((all, count) => all + count, 0) && hits > 0);
    }
    const { losses } = await train([], { folder: cutBack(cold), resume: true });
    assert.ok(losses.every((loss, step) => Math.abs(loss - cold.losses[step]!) < 1e-6 * loss));
  });

  test('replaces damaged entries and computes the same', async () => {
    const damaged = newFolder();
    cpSync(dir, damaged, { recursive: true });
    const paths = entries(damaged).sort();
    const flipped = readFileSync(paths[0]!);
    flipped[flipped.length - 3]! ^= 1;
    writeFileSync(paths[0]!, flipped);
    truncateSync(paths[1]!, 70);
    const { summary, losses } = await train([cacheIn(damaged)]);
    assert.deepEqual(losses, cold.losses);
    assert.equal(summary.featureCache?.corrupt, 2);
    assert.equal(summary.featureCache?.misses, 2);
    for (const path of paths) assert.ok(readFileSync(path).equals(readFileSync(path.replace(damaged, dir))), path);
  });

  test('stays within a budget that is too small, and computes the same', async () => {
    const small = newFolder();
    const bytes = readFileSync(entries(dir)[0]!).length;
    const { summary, losses } = await train([cacheIn(small), `data.featureCache.maxBytes=${3 * bytes}`]);
    assert.deepEqual(losses, cold.losses);
    assert.equal(entries(small).length, 3);
    assert.ok(summary.featureCache!.unstored >= images - 3);
  });

  test('with bf16 trains on rounded features, the same from the cache as before', async () => {
    const half = newFolder();
    const set = [cacheIn(half), 'data.featureCache.dtype=bf16', 'data.packing.maxTokens=192'];
    const first = await train(set);
    const second = await train(set);
    assert.deepEqual(second.losses, first.losses);
    assert.equal(second.summary.featureCache?.misses, 0);
    const exact = await train([cacheIn(dir), 'data.packing.maxTokens=192']);
    assert.ok(exact.losses.some((loss, place) => loss !== first.losses[place]));
    assert.ok(exact.losses.every((loss, place) => Math.abs(loss - first.losses[place]!) < 1e-2));
    await assert.rejects(
      train([cacheIn(half), 'data.packing.maxTokens=192'], { folder: cutBack(first), resume: true }),
      { code: 'E_RESUME_CONFIG' },
    );
  });

  test('is asked from the cache too, and answers as without one', async () => {
    const answered = async (checkpoint: string) => {
      const { logger, lines } = keptLines();
      const out = newFolder();
      await evaluateRun({ checkpoint, out, samples: 8, controls: false, registry, logger });
      const told = lines.find((line) => line.startsWith('features: '));
      const [, ...answers] = readFileSync(join(out, 'predictions.jsonl'), 'utf8').split('\n');
      return { told, answers };
    };
    const without = await answered(plain.folder);
    const first = await answered(cold.folder);
    const second = await answered(cold.folder);
    assert.equal(without.told, undefined);
    assert.match(first.told ?? '', /^features: 0 of \d+ images/);
    assert.match(second.told ?? '', /^features: (\d+) of \1 images from the cache, 0 computed$/);
    assert.ok(without.answers.length > 8);
    assert.deepEqual(first.answers, without.answers);
    assert.deepEqual(second.answers, without.answers);
  });

  test('predicts about a photo that is stored as about one that is not', async () => {
    const photo = join(newFolder(), 'photo.png');
    await sharp({ create: { width: 80, height: 60, channels: 3, background: '#4080c0' } })
      .png()
      .toFile(photo);
    const answersOf = async (checkpoint: string) => {
      const { logger } = keptLines();
      const asked = { images: [photo], task: 'identify', question: '', box: '0.1,0.1,0.9,0.9', batch: 1, maxTokens: 4 };
      const { predictions } = await runPredict({ ...asked, checkpoint, registry, logger } as PredictRequest);
      const said: unknown[] = [];
      for await (const prediction of predictions) said.push(prediction);
      return said;
    };
    const before = entries(dir).length;
    const without = await answersOf(plain.folder);
    const first = await answersOf(cold.folder);
    assert.equal(entries(dir).length, before + 1);
    assert.deepEqual(await answersOf(cold.folder), first);
    assert.equal(entries(dir).length, before + 1);
    assert.deepEqual(first, without);
  });

  test('finds everything that prepare-features stored, also when it starts from another run', async () => {
    const { logger } = keptLines();
    const filled = newFolder();
    const fill = async (...set: string[]) => {
      const [prepared] = await prepareFeatures({ files: [tinyFile()], set: [...SMALL, ...set], registry, logger });
      return prepared!;
    };
    const first = await fill(cacheIn(filled));
    assert.ok(first.computed > 0 && first.unusable === 0 && !first.full);
    assert.equal(entries(filled).length, first.computed);
    const again = await fill(cacheIn(filled));
    assert.deepEqual([again.computed, again.present > 0], [0, true]);
    const from = `init.from=${cold.folder}`;
    assert.equal((await fill(cacheIn(filled), from)).computed, 0);
    const { losses, summary } = await train([cacheIn(filled)]);
    assert.deepEqual(losses, cold.losses);
    assert.equal(summary.featureCache?.misses, 0);
    const other = await fill(cacheIn(filled), 'train.seed=5');
    assert.equal(other.computed, first.computed);
    const bytes = readFileSync(entries(filled)[0]!).length;
    const small = await fill(cacheIn(newFolder()), `data.featureCache.maxBytes=${4 * bytes}`);
    assert.ok(small.full && small.computed - small.unstored === 4);
    await assert.rejects(fill(), { code: 'E_FEATURE_CACHE' });
  });
});

test('a run whose vision tower trains cannot have a feature cache', () => {
  const files = [resolve(import.meta.dirname, '../../configs/quickstart/vision.yaml')];
  assert.throws(() => resolveAll(files, { registry, set: ['data.featureCache={}'] }), {
    code: 'E_CONFIG_RULE',
    found: 'data.featureCache, and vision trains',
  });
});

test('a step that is left out keeps the features of its images for replay', async () => {
  const folder = newFolder();
  const tokens = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)];
  const part = {
    ...{ tokenIds: Int32Array.of(1, 2), labels: Int32Array.of(-100, 2), attentionMask: Uint8Array.of(1, 1) },
    ...{ shape: [1, 2] as const, pixels: new Uint8Array(0), pixelShape: [2, 4] as const, examples: [] },
    seen: { tokens, order: [1, 0] },
  };
  const facts = { step: 3, fault: 'loss' as const, seed: 0, checkpoint: null, updatesSince: 2 };
  const { parts } = await readDump(join(folder, await writeDump(folder, facts, [part])));
  assert.deepEqual(parts[0]?.seen?.tokens, tokens);
  assert.deepEqual([...Array.from(parts[0]!.seen!.order)], [1, 0]);
  assert.equal(parts[0]?.pixels, undefined);
});
