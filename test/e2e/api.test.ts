/** A program trains, stops, goes on, evaluates, asks and exports, all in one process. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import {
  evaluate,
  exportCheckpoint,
  predict,
  predictAll,
  readPredictions,
  train,
  trainAll,
  verify,
} from '../../lib/index.ts';
import { keptLines, newFolder, tinyFile } from './tiny-scenes.ts';

const folder = newFolder();
const config = tinyFile();
const whole = join(folder, 'whole');
const weights = (out: string) => readFileSync(join(out, 'checkpoints/step-4/model.safetensors'));

test('a run tells each step, says nothing unless asked, and its summary', async () => {
  const steps: number[] = [];
  const { folder: out, summary } = await train({ config, out: whole, onStep: ({ step }) => steps.push(step) });
  assert.equal(out, whole);
  assert.deepEqual(steps, [1, 2, 3, 4]);
  assert.equal(summary.finished, true);
});

test('a run that is stopped goes on to the same weights', async () => {
  const controller = new AbortController();
  const out = join(folder, 'stopped');
  const onStep = ({ step }: { step: number }) => step === 1 && controller.abort();
  const first = await train({ config, out, signal: controller.signal, onStep });
  assert.deepEqual([first.summary.finished, first.summary.step], [false, 1]);
  const { logger, lines } = keptLines();
  const second = await train({ config, out, resume: true, logger });
  assert.equal(second.summary.finished, true);
  assert.ok(lines.some((line) => line.includes('going on after step 1')));
  assert.ok(weights(out).equals(weights(whole)));
});

test('several runs are trained in order, the second from the first, which it names', async () => {
  const out = join(folder, 'chain');
  const second = join(newFolder(), 'second.yaml');
  writeFileSync(second, `extends: ${config}\nname: second\ninit: { from: tiny }\n`);
  const runs = await trainAll({ configs: [config, second], out });
  assert.deepEqual(
    runs.map((run) => [run.folder, run.summary.finished]),
    [
      [join(out, 'tiny'), true],
      [join(out, 'second'), true],
    ],
  );
});

test('a run is evaluated, and its answers are read back', async () => {
  const { folder: out, report } = await evaluate({ checkpoint: whole, samples: 3, controls: false });
  assert.deepEqual(report.asked, { identify: 3 });
  const { header, answers } = await readPredictions(join(out, 'predictions.jsonl'));
  assert.equal(header.step, 4);
  assert.equal(answers.length, 3);
});

test('a run is asked about one image and about several, of which one is missing', async () => {
  const image = join(folder, 'grey.png');
  await sharp({ create: { width: 80, height: 60, channels: 3, background: '#777' } }).toFile(image);
  const box = [8, 6, 40, 30] as const;
  const { answer, asked } = await predict({ checkpoint: whole, task: 'identify', image, box, maxTokens: 3 });
  assert.equal(typeof answer, 'string');
  assert.deepEqual(asked?.pixels, [8, 6, 40, 30]);
  await assert.rejects(predict({ checkpoint: whole, task: 'caption', image: join(folder, 'none.png') }), {
    code: 'E_IMAGE',
  });
  const told: string[] = [];
  const images = [image, join(folder, 'none.png')];
  for await (const one of predictAll({ checkpoint: whole, task: 'caption', images, maxTokens: 3 })) {
    told.push('error' in one ? one.error.code : 'answered');
  }
  assert.deepEqual(told, ['answered', 'E_IMAGE']);
});

test('a run is exported and the export proved', async () => {
  const out = join(folder, 'merged');
  const { format, files, maxAbsLogitDiff } = await exportCheckpoint({ checkpoint: whole, format: 'merged', out });
  assert.equal(format, 'merged');
  assert.ok(files.length > 0 && files.every((name) => existsSync(join(out, name))));
  const proof = await verify({ path: out });
  assert.ok(proof.kind === 'export');
  assert.equal(proof.format, 'merged');
  assert.ok(maxAbsLogitDiff >= 0 && proof.maxAbsLogitDiff <= proof.accepted);
});
