/** Questions during training, and the best checkpoint that they choose. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { readEvents } from '../../lib/report/events.ts';
import { readSummary } from '../../lib/run/run-folder.ts';
import { trainRun } from '../../lib/run/train.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

const STEPS = 8;
const BASE = ['train.steps=8', 'train.checkpoint.everySteps=3', 'train.checkpoint.keep=1'];
/** The least figure of all: a tie keeps the first, so the best is that of step 2 unless a later one is less. */
const ASKED = [
  ...BASE,
  'train.eval.everySteps=2',
  'train.eval.samples=4',
  'train.checkpoint.best.metric=identify',
  'train.checkpoint.best.mode=min',
];
const folder = join(newFolder(), 'run');

const train = (set: readonly string[], out: string, resume = false) =>
  trainRun({ run: tinyRun(...set), folder: out, resume, registry, logger: keptLines().logger });

const evaluations = () =>
  readEvents(join(folder, 'events.jsonl')).flatMap((event) => (event.event === 'evaluation' ? [event] : []));

before(() => train(ASKED, folder));

test('the model is questioned at its steps and at the end; figures are events and TensorBoard scalars', () => {
  assert.deepEqual(
    evaluations().map(({ step }) => step),
    [2, 4, 6, 8],
  );
  for (const { figures } of evaluations()) assert.equal(figures['identify']?.n, 4);
  const [file = ''] = readdirSync(join(folder, 'tensorboard'));
  assert.ok(readFileSync(join(folder, 'tensorboard', file), 'latin1').includes('eval/identify'));
});

test('the best checkpoint stays beside the newest one and is named in the summary', () => {
  const best = readSummary(folder)?.best;
  const values = evaluations().map(({ figures, step }) => ({ step, value: figures['identify']?.value ?? 1 }));
  const least = Math.min(...values.map(({ value }) => value));
  const { step } = values.find(({ value }) => value === least)!;
  assert.deepEqual(best, { step, metric: 'identify', value: least, checkpoint: `checkpoints/step-${step}` });
  assert.deepEqual(new Set(readdirSync(join(folder, 'checkpoints'))), new Set([`step-${step}`, `step-${STEPS}`]));
});

test('questions change nothing about the training', async () => {
  const plain = join(newFolder(), 'plain');
  await train(BASE, plain);
  const model = (run: string) => readFileSync(join(run, `checkpoints/step-${STEPS}/model.safetensors`));
  assert.ok(model(plain).equals(model(folder)));
});

test('a run that goes on still knows its best checkpoint', async () => {
  const best = readSummary(folder)?.best;
  assert.notEqual(best?.step, STEPS);
  rmSync(join(folder, `checkpoints/step-${STEPS}`), { recursive: true });
  rmSync(join(folder, 'summary.json'));
  const summary = await train(ASKED, folder, true);
  assert.deepEqual(summary.best, best);
  assert.ok(existsSync(join(folder, best?.checkpoint ?? 'none')));
});

test('what cannot be chosen or asked is refused with its place', () => {
  assert.throws(() => tinyRun('train.checkpoint.best.metric=identify'), /chosen by train.eval/);
  assert.throws(() => tinyRun(...ASKED, 'train.checkpoint.best.metric=beauty'), /there is no figure beauty/);
});
