/** A run that is killed at any moment goes on as if nothing had happened; whoever interrupts twice is let go at once. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { isTemporaryName } from '../../lib/core/atomic.ts';
import { randomStream } from '../../lib/core/rng.ts';
import { readEvents } from '../../lib/report/events.ts';
import { readSummary } from '../../lib/run/run-folder.ts';
import { trainRun } from '../../lib/run/train.ts';
import { keptLines, newFolder, tinyFile, tinyRun } from './tiny-scenes.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const STEPS = 60;
const SET = [
  `train.steps=${STEPS}`,
  'train.checkpoint.everySteps=3',
  'train.eval.everySteps=20',
  'train.eval.samples=2',
];
const file = tinyFile();
const whole = join(newFolder(), 'whole');

before(() => trainRun({ run: tinyRun(...SET), folder: whole, resume: false, registry, logger: keptLines().logger }));

interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** Trains in a process of its own; `watcher` sees its stderr as it grows. */
function child(args: readonly string[], watcher: (stderr: string, child: ChildProcess) => void): Promise<Ended> {
  const sets = SET.flatMap((set) => ['--set', set]);
  const argv = ['--import', 'tsx', join(ROOT, 'bin/tristage.ts'), 'train', file, ...sets, ...args];
  const started = spawn(process.execPath, argv, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  started.stderr.on('data', (text) => {
    stderr += String(text);
    watcher(stderr, started);
  });
  return new Promise((done, fail) => {
    started.on('error', fail);
    started.on('close', (status, signal) => done({ status, signal, stderr }));
  });
}

/** Kills the run some milliseconds after this step. */
function killAfter(out: string, { step, delay }: { step: number; delay: number }): Promise<Ended> {
  let seen = false;
  return child(['--out', out, '--resume'], (stderr, started) => {
    if (seen || !new RegExp(`step +${step}/${STEPS} `).test(stderr)) return;
    seen = true;
    setTimeout(() => started.kill('SIGKILL'), delay);
  });
}

/** Kills the run as soon as it begins to write a checkpoint. */
async function killInCheckpoint(out: string): Promise<Ended> {
  const checkpoints = join(out, 'checkpoints');
  mkdirSync(checkpoints, { recursive: true });
  let target: ChildProcess | undefined;
  const watcher = watch(checkpoints, (_, name) => {
    if (name !== null && isTemporaryName(name)) target?.kill('SIGKILL');
  });
  try {
    return await child(['--out', out, '--resume'], (stderr, started) => {
      if (/step +\d+\/\d+ /.test(stderr)) target = started;
    });
  } finally {
    watcher.close();
  }
}

const bytes = (run: string, name: string): Buffer => readFileSync(join(run, `checkpoints/step-${STEPS}`, name));

test('killed three times, also while it writes a checkpoint, a run ends in the same bytes', {
  timeout: 300_000,
}, async () => {
  const out = join(newFolder(), 'killed');
  const random = randomStream(7);
  const moments = [4, 31].map((step, place) => ({
    step: step + random.integer(2 * place, 20),
    delay: random.integer(2 * place + 1, 60),
  }));
  for (const moment of moments) {
    const { signal, stderr } = await killAfter(out, moment);
    assert.equal(signal, 'SIGKILL', stderr);
    if (moment !== moments[0]) continue;
    const during = await killInCheckpoint(out);
    assert.equal(during.signal, 'SIGKILL', during.stderr);
    assert.equal(readSummary(out), undefined);
  }
  const { status, stderr } = await child(['--out', out, '--resume'], () => undefined);
  assert.equal(status, 0, stderr);
  for (const name of ['model.safetensors', 'optimizer.safetensors', 'state.json']) {
    assert.ok(bytes(out, name).equals(bytes(whole, name)), name);
  }
  const told = (run: string) =>
    readEvents(join(run, 'events.jsonl')).flatMap((event) => {
      if (event.event === 'step') return [[event.step, event.loss]];
      return event.event === 'evaluation' ? [[event.step, JSON.stringify(event.figures)]] : [];
    });
  assert.deepEqual(told(out), told(whole));
  assert.deepEqual(readdirSync(join(out, 'checkpoints')).filter(isTemporaryName), []);
});

test('a second interrupt leaves at once and saves nothing', { timeout: 120_000 }, async () => {
  const out = join(newFolder(), 'hasty');
  let sent = 0;
  // A step of thousands of passes: whoever waits for its end waits long.
  const long = ['--set', 'train.globalBatch=4000', '--set', 'train.microBatch=1'];
  const { status, signal, stderr } = await child(['--out', out, ...long], (text, started) => {
    if (sent === 0 && /^engine: /m.test(text)) sent = Number(started.kill('SIGINT'));
    if (sent === 1 && text.includes('once more to leave at once')) sent = 1 + Number(started.kill('SIGINT'));
  });
  // What a shell shows as 130.
  assert.deepEqual([status, signal, sent], [null, 'SIGINT', 2], stderr);
  assert.doesNotMatch(stderr, /saved|step 1\//);
  assert.equal(existsSync(join(out, 'checkpoints/step-1')), false);
});
