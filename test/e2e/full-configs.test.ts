/**
 * The three full-size configurations over a miniature of every source, laid out as published: planned, and trained one from another
 * with a tiny model. Where TRISTAGE_SAMPLE_DIR names real data, COCO and RefCOCO are the real ones.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { readEvents } from '../../lib/report/events.ts';
import { dryRunAll } from '../../lib/run/dry-run.ts';
import { planRuns } from '../../lib/run/planning/index.ts';
import type { RunSummary } from '../../lib/run/run-folder.ts';
import type { MixtureShare } from '../../lib/run/shares.ts';
import { trainAll } from '../../lib/run/train-all.ts';
import { makeAll } from '../data/make/all.ts';
import { testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { CONFIGS, tinyStage } from './full-size.ts';
import { keptLines } from './tiny-scenes.ts';

const STEPS = 20;
const STAGES = [1, 2, 3] as const;
const ENGINE = [`engine.backend=${testEngine() === 'cpu' ? 'torch' : testEngine()}`];
/** The 22 lines of stage 3 drawn sample by sample, so that a short run meets them all. */
const BY_SAMPLE = [
  'data.mixture.unit=sample',
  'train.globalBatch=40',
  ...Array.from({ length: 22 }, (_, line) => `data.mixture.sources.${line}.batch=null`),
];

const folder = temporaryFolder('tristage-full-');
const files = STAGES.map((stage) => tinyStage(folder, stage, STEPS));

interface LedgerLine {
  source: string;
  leftOut?: number;
  cause: string;
}

function ledgerOf(run: string): LedgerLine[] {
  const path = join(run, 'bad-samples.jsonl');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LedgerLine);
}

const runOf = (out: string, stage: number): string => join(out, `minigptv2-stage${stage}`);

function assertFinite(run: string): void {
  const losses = readEvents(join(run, 'events.jsonl')).flatMap((event) => (event.event === 'step' ? [event.loss] : []));
  assert.equal(losses.length, STEPS);
  assert.ok(losses.every(Number.isFinite), String(losses));
}

/** Every line gave samples of its task, about as many as its rate plans. */
function assertShares(shares: readonly MixtureShare[], lines: number): void {
  assert.equal(shares.length, lines);
  for (const { source, task, samples, planned, sampleShare, tokens, tasks } of shares) {
    assert.ok(samples > 0 && tokens > 0, `${source} ${task}: ${samples} samples`);
    assert.ok(Math.abs(sampleShare - planned) < 0.04, `${source} ${task}: ${sampleShare} of ${planned}`);
    assert.deepEqual(Object.keys(tasks), [task]);
  }
}

async function trainStages(data: string, out: string): Promise<RunSummary[]> {
  process.env['DATA_ROOT'] = data;
  process.env['MINIGPTV2_STAGE1'] = 'minigptv2-stage1';
  process.env['MINIGPTV2_STAGE2'] = 'minigptv2-stage2';
  const { logger } = keptLines();
  const trained = await trainAll({ files, set: ENGINE, registry, out, resume: false, logger });
  return trained.map(({ summary }) => summary);
}

describe('the full-size configurations on miniatures', () => {
  const data = join(folder, 'data');
  const out = join(folder, 'runs');
  let summaries: RunSummary[];
  before(async () => {
    await makeAll(data);
    summaries = await trainStages(data, out);
  });

  test('a dry run opens every source and plans its share of each stage', async () => {
    const runs = await dryRunAll({ files, set: [], registry, logger: keptLines().logger });
    assert.deepEqual(
      runs.map(({ plan }) => plan.sources.length),
      [20, 14, 22],
    );
    const shares = runs.map(({ plan }) => plan.sources.map(({ share }) => Number((100 * share).toFixed(2))));
    // Weak data has three quarters of stage 1.
    const weak = shares[0]?.slice(0, 6).reduce((sum, share) => sum + share, 0) ?? 0;
    assert.ok(Math.abs(weak - 75) < 0.2, String(weak));
    // Of the samples, as the released rates and batches give them.
    assert.deepEqual(
      shares[2],
      [
        3.51, 2.11, 0.35, 8.42, 2.81, 11.23, 5.61, 5.61, 5.61, 2.11, 6.32, 5.26, 5.26, 5.26, 2.11, 2.11, 2.11, 3.16,
        1.68, 2.53, 10.53, 6.32,
      ],
    );
  });

  test('as they ship, with 7 billion weights that are not there, they are dry-run too', async () => {
    const { logger } = keptLines();
    const set = [`data.cache=${join(folder, 'index')}`];
    const shipped = STAGES.map((stage) => join(CONFIGS, `stage${stage}.yaml`));
    const runs = await dryRunAll({ files: shipped, set, registry, logger });
    for (const { plan, weights } of runs) {
      assert.equal(plan.trainable, 56_627_200);
      assert.deepEqual(
        weights.map(({ key, there }) => [key, there]),
        [
          ['vision', false],
          ['llm', false],
        ],
      );
    }
    assert.deepEqual(
      runs.map(({ plan }) => [plan.steps, plan.samples]),
      [
        [400_000, 38_400_000],
        [50_000, 3_200_000],
        [35_000, 136_644],
      ],
    );
  });

  test('a plan measures the samples of each line; no limit is broken', async () => {
    const { logger } = keptLines();
    process.env['MINIGPTV2_STAGE1'] = runOf(out, 1);
    process.env['MINIGPTV2_STAGE2'] = runOf(out, 2);
    const runs = await planRuns({ files, set: [], registry, logger, speed: 100 });
    assert.deepEqual(
      runs.map(
        ({ sources = [] }) => sources.filter(({ unusable, tokens }) => unusable === 0 && tokens?.cut === 0).length,
      ),
      [20, 14, 22],
    );
    assert.deepEqual(
      runs.slice(0, 2).map(({ totals }) => [totals.samples, totals.images]),
      [
        [960, 960],
        [640, 640],
      ],
    );
    // Unnatural Instructions is the only line without images.
    assert.deepEqual(
      runs[2]?.sources?.flatMap(({ source, withImage }) => (withImage < 1 ? [`${source} ${withImage}`] : [])),
      ['unnatural-instructions 0'],
    );
    assert.match(runs[2]?.lines.join('\n') ?? '', /source llava \(conversation, part: reasoning\): 3 rows, 11\.2 % /);
  });

  test('three stages train one from another, with finite losses, and the first lowers its loss', () => {
    assert.deepEqual(
      summaries.map(({ name, finished, step, skipped }) => [name, finished, step, skipped]),
      STAGES.map((stage) => [`minigptv2-stage${stage}`, true, STEPS, 0]),
    );
    for (const stage of STAGES) assertFinite(runOf(out, stage));
    const [first] = summaries;
    assert.ok((first?.lossLast ?? 9) < (first?.lossFirst ?? 0) - 0.05, `${first?.lossFirst} to ${first?.lossLast}`);
    // What was learned is there when the next stage begins.
    assert.ok((summaries[1]?.lossFirst ?? 9) < (first?.lossFirst ?? 0) - 0.05, `${summaries[1]?.lossFirst}`);
    for (const stage of [2, 3]) {
      const resolved = readFileSync(join(runOf(out, stage), 'config.resolved.yaml'), 'utf8');
      assert.match(resolved, new RegExp(`from: .*/minigptv2-stage${stage - 1}\\n`));
    }
  });

  test('in stages 1 and 2 every line gives its share', () => {
    assertShares(summaries[0]?.mixture ?? [], 20);
    assertShares(summaries[1]?.mixture ?? [], 14);
  });

  test('each step of stage 3 is the whole batch of one line', () => {
    const steps = readEvents(join(runOf(out, 3), 'events.jsonl')).filter((event) => event.event === 'step');
    const batches = [2, 2, 1, 6, 4, 4, 2, 2, 2, ...Array<number>(13).fill(6)];
    for (const { drawn = [] } of steps) {
      assert.equal(new Set(drawn.map(({ line }) => line)).size, 1);
      const samples = drawn.reduce((sum, { samples: own }) => sum + own, 0);
      assert.equal(samples, batches[drawn[0]?.line ?? -1]);
    }
    assert.ok(new Set(steps.map(({ drawn }) => drawn?.[0]?.line)).size >= 8);
  });

  test('drawn sample by sample, every line of stage 3 gives its share', async () => {
    const { logger } = keptLines();
    const [file = ''] = files.slice(2);
    const set = [...ENGINE, ...BY_SAMPLE, `init.from=${runOf(out, 2)}`];
    const by = join(folder, 'by-sample');
    const [trained] = await trainAll({ files: [file], set, registry, out: by, resume: false, logger });
    assertFinite(by);
    assertShares(trained?.summary.mixture ?? [], 22);
    assert.deepEqual(
      ledgerOf(by).filter(({ leftOut }) => leftOut === undefined),
      [],
    );
  });

  test('nothing is quarantined; left out are only sentences of Flickr30k with too few phrases', () => {
    assert.deepEqual([...ledgerOf(runOf(out, 1)), ...ledgerOf(runOf(out, 2))], []);
    const left = ledgerOf(runOf(out, 3)).map(({ source, cause }) => `${source}: ${cause}`);
    assert.deepEqual([...new Set(left)], ['flickr30k: too few grounded phrases']);
  });
});

const real = process.env['TRISTAGE_SAMPLE_DIR'] ?? '';
const skip =
  existsSync(join(real, 'coco')) && existsSync(join(real, 'refer')) ? false : 'TRISTAGE_SAMPLE_DIR names no data';

/** The lines of stage 1 that the sample folder has real data for; it holds back no photo for training of REFER. */
const REAL: readonly (readonly [line: number, options: Readonly<Record<string, string>>])[] = [
  [0, { root: 'webdataset/coco-captions-{000000..000001}.tar' }],
  [6, { root: 'coco' }],
  [8, { root: 'refer', split: 'testB' }],
  [9, { root: 'refer', split: 'testB' }],
  [10, { root: 'refer', split: 'test' }],
  [12, { root: 'refer', split: 'testB' }],
  [13, { root: 'refer', split: 'testB' }],
  [14, { root: 'refer', split: 'val' }],
  [15, { root: 'vqa' }],
];

describe('stage 1 with real photos where there are some', { skip }, () => {
  const folders = ['coco/train2017', 'coco/val2017', 'coco-extra/images'].map((name) => join(real, name));
  const set = REAL.flatMap(([line, options]) => {
    const at = `data.mixture.sources.${line}`;
    const own = Object.entries(options).map(
      ([key, value]) => `${at}.${key}=${key === 'root' ? join(real, value) : value}`,
    );
    return line < 8 ? own : [...own, `${at}.images=[${folders.join(', ')}]`];
  });
  const files15 = '{ questions: v2_questions_sample.json, annotations: v2_annotations_sample.json }';

  test('every line gives its share, no photo is quarantined', async () => {
    const data = join(folder, 'data');
    await makeAll(data);
    process.env['DATA_ROOT'] = data;
    const [file = ''] = files;
    const out = join(folder, 'real');
    const { logger } = keptLines();
    const request = { files: [file], set: [...ENGINE, ...set, `data.mixture.sources.15.files=${files15}`], registry };
    const [trained] = await trainAll({ ...request, out, resume: false, logger });
    assertFinite(out);
    assertShares(trained?.summary.mixture ?? [], 20);
    assert.deepEqual(ledgerOf(out), []);
  });
});
