/**
 * configs/examples/photos.yaml from end to end, shortened: four tasks on photos, an answer about one, and photos that are missing or
 * damaged. On generated photos always, on real ones where TRISTAGE_SAMPLE_DIR has them.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { before, describe, test } from 'node:test';
import { readEvents, type StepEvent } from '../../lib/report/events.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { generatedPhotos } from './generated-photos.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONFIG = 'configs/examples/photos.yaml';
const STEPS = 12;
const SMALL = [
  'engine.backend=torch',
  'model.vision.imageSize=56',
  'model.llm.width=64',
  'model.llm.layers=2',
  'model.llm.mlpHidden=96',
  `train.steps=${STEPS}`,
  'train.globalBatch=4',
  'train.schedule.warmupSteps=0',
  'train.optimizer.lr=6.0e-3',
  'train.checkpoint.everySteps=12',
];
const sets = (...all: string[]): string[] => all.flatMap((set) => ['--set', set]);

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function tristage(args: readonly string[], { sample, cache }: { sample: string; cache: string }): Promise<Outcome> {
  const env = { ...process.env, TRISTAGE_SAMPLE_DIR: sample };
  const argv = ['--import', 'tsx', join(ROOT, 'bin/tristage.ts'), ...args];
  const data = args[0] === 'train' ? sets(`data.cache=${cache}`) : [];
  const child = spawn(process.execPath, [...argv, ...data], { cwd: ROOT, env });
  const outcome: Outcome = { status: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    outcome.stdout += String(text);
  });
  child.stderr.on('data', (text) => {
    outcome.stderr += String(text);
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (status) => done({ ...outcome, status }));
  });
}

interface LedgerLine {
  source: string;
  code?: string;
  where: string | string[];
  cause: string;
  replacedBy?: number;
  leftOut?: number;
}

/** A folder like the sample in which some photos of coco/train2017 are cut short or missing; everything else is linked. */
function damaged(sample: string, damage: { cut: (place: number) => boolean; missing: (place: number) => boolean }) {
  const copy = temporaryFolder('tristage-damaged-');
  const link = (name: string): void => symlinkSync(join(sample, name), join(copy, name));
  for (const name of readdirSync(sample).filter((entry) => entry !== 'coco')) link(name);
  mkdirSync(join(copy, 'coco/train2017'), { recursive: true });
  for (const name of readdirSync(join(sample, 'coco')).filter((entry) => entry !== 'train2017')) link(`coco/${name}`);
  const found = { cut: [] as string[], missing: [] as string[] };
  for (const [place, name] of readdirSync(join(sample, 'coco/train2017')).sort().entries()) {
    const path = join(copy, 'coco/train2017', name);
    if (damage.missing(place)) found.missing.push(name);
    else if (damage.cut(place)) {
      const bytes = readFileSync(join(sample, 'coco/train2017', name));
      writeFileSync(path, bytes);
      truncateSync(path, Math.floor(bytes.length * 0.6));
      found.cut.push(name);
    } else link(`coco/train2017/${name}`);
  }
  return { copy, ...found };
}

function photos(sampleDir: () => Promise<string>, thorough: boolean): void {
  const folder = temporaryFolder('tristage-photos-runs-');
  const train = (out: string, ...more: string[]) => [
    'train',
    CONFIG,
    '--out',
    join(folder, out),
    ...sets(...SMALL, ...more),
  ];
  const cache = join(folder, 'index');
  let sample = '';
  before(async () => {
    sample = await sampleDir();
    const { status, stderr } = await tristage(train('run'), { sample, cache });
    assert.equal(status, 0, stderr);
  });

  test('every task is trained on and the loss falls', () => {
    const steps = readEvents(join(folder, 'run/events.jsonl')).filter(
      (event): event is StepEvent => event.event === 'step',
    );
    assert.equal(steps.length, STEPS);
    assert.deepEqual([...new Set(steps.flatMap(({ tasks }) => Object.keys(tasks)))].sort(), [
      'caption',
      'identify',
      'refer',
      'vqa',
    ]);
    const mean = (some: readonly StepEvent[]) => some.reduce((sum, { loss }) => sum + loss / some.length, 0);
    assert.ok(mean(steps.slice(-3)) < 0.9 * mean(steps.slice(0, 3)), String(steps.map(({ loss }) => loss)));
    assert.ok(!existsSync(join(folder, 'run/bad-samples.jsonl')));
  });

  test('the run answers about a photo', async () => {
    const directory = join(sample, 'coco/train2017');
    const photo = join(directory, readdirSync(directory)[0] ?? '');
    const ask = ['predict', '--checkpoint', join(folder, 'run'), '--image', photo, '--task', 'caption'];
    const { status, stdout, stderr } = await tristage([...ask, '--max-tokens', '8', '--json'], { sample, cache });
    assert.equal(status, 0, stderr);
    const { instruction, answer, size } = JSON.parse(stdout) as Record<string, unknown>;
    assert.match(String(instruction), /^\[caption\] /);
    assert.equal(typeof answer, 'string');
    assert.ok((size as { width: number }).width > 50);
  });

  test('photos that are missing or cut short are left out or replaced, counted and named, and the run goes on', async () => {
    const { copy, cut, missing } = damaged(sample, {
      cut: (place) => place % 6 === 1,
      missing: (place) => place === 0,
    });
    const bear = [0, 1].map((line) => `data.mixture.sources.${line}.missing=0.5`);
    const { status, stderr } = await tristage(train('below', ...bear), { sample: copy, cache });
    assert.equal(status, 0, stderr);
    assert.match(stderr, new RegExp(`left out, missing image: ${missing[0]}`));
    const lines = readFileSync(join(folder, 'below/bad-samples.jsonl'), 'utf8').trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as LedgerLine);
    const [absent] = entries.filter(({ leftOut }) => leftOut !== undefined);
    assert.equal(absent?.source, 'coco-caption');
    assert.ok((absent.leftOut ?? 0) > 0);
    assert.deepEqual([absent.cause, absent.where], ['missing image', missing]);
    const replaced = entries.filter(({ replacedBy }) => replacedBy !== undefined);
    assert.ok(replaced.length > 0);
    for (const { code, where } of replaced) {
      assert.equal(code, 'E_IMAGE');
      assert.ok(
        cut.some((name) => String(where).endsWith(name)),
        String(where),
      );
    }
  });

  test('too many photos cut short stop the run with exit 4', {
    skip: thorough ? false : 'done on generated photos',
  }, async () => {
    const { copy } = damaged(sample, { cut: (place) => place % 6 < 4, missing: () => false });
    const { status, stderr } = await tristage(train('above'), { sample: copy, cache });
    assert.equal(status, 4, stderr);
    assert.match(stderr, /E_BAD_SAMPLES/);
    assert.match(readFileSync(join(folder, 'above/bad-samples.jsonl'), 'utf8'), /E_IMAGE/);
  });

  test('too many missing photos stop the run before its first step with exit 4', {
    skip: thorough ? false : 'done on generated photos',
  }, async () => {
    const { copy } = damaged(sample, { cut: () => false, missing: (place) => place % 2 === 0 });
    rmSync(join(copy, 'coco-extra'));
    const { status, stderr } = await tristage(train('absent'), { sample: copy, cache });
    assert.equal(status, 4, stderr);
    assert.match(stderr, /E_SOURCE/);
    assert.match(stderr, /source coco-caption lacks images/);
    assert.ok(!existsSync(join(folder, 'absent/events.jsonl')));
  });
}

describe('generated photos', () => photos(generatedPhotos, true));

const real = process.env['TRISTAGE_SAMPLE_DIR'];
const skip =
  real && existsSync(join(real, 'coco-extra')) ? false : 'TRISTAGE_SAMPLE_DIR names no folder with coco-extra/';
describe('real photos', { skip }, () => photos(async () => real ?? '', false));
