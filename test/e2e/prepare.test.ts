/** `tristage prepare` and the preparation that a run does by itself, as a user meets them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { writeCaptions } from '../support/annotations.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** @param during gets the process while it runs */
async function tristage(args: readonly string[], during?: (child: ChildProcess) => Promise<void>): Promise<Outcome> {
  const env = { ...process.env, NO_COLOR: '1', CI: '1' };
  const child = spawn(process.execPath, ['--import', 'tsx', 'bin/tristage.ts', ...args], { cwd: ROOT, env });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (piece: string) => {
      texts[name] += piece;
    });
  }
  const ended = once(child, 'close');
  await during?.(child);
  const [status] = (await ended) as [number | null];
  return { status, ...texts };
}

test('prepare says what it found and left out, and a second time that nothing has changed', async () => {
  const root = temporaryFolder('tristage-prepare-');
  await writeCaptions(root, 120);
  writeFileSync(join(root, 'train2017/000000000007.jpg'), 'no image');
  const args = ['prepare', 'coco-caption', '--root', root, '--out', join(root, 'index')];
  const made = await tristage([...args, '--json', '--verify', 'decode']);
  assert.equal(made.status, 0, made.stderr);
  const { index, fingerprint, ...facts } = JSON.parse(made.stdout);
  assert.deepEqual(facts, {
    ok: true,
    source: 'coco-caption',
    rows: 117,
    rejected: 3,
    byReason: { 'unreadable image': 3 },
    built: true,
  });
  assert.equal(index, join(root, 'index'));
  assert.match(fingerprint, /^[0-9a-f]{64}$/);
  assert.match(made.stderr, /has no index yet/);
  const again = await tristage(args);
  assert.deepEqual([again.status, again.stdout], [0, `117 rows in ${index}, 3 left out\n  3 unreadable image\n`]);
  assert.match(again.stderr, /is up to date/);
});

test('a source, an option or a folder that cannot be meant is refused before anything is read', async () => {
  const root = temporaryFolder('tristage-prepare-');
  writeFileSync(join(root, 'thesis.txt'), 'mine');
  const out = join(root, 'index');
  const cases: [args: string[], status: number, text: RegExp][] = [
    [['coco-captoin', '--root', root, '--out', out], 2, /did you mean coco-caption\?/],
    [['coco-caption', '--root', root, '--out', out, '--set', 'splt=val'], 2, /did you mean split\?/],
    [['coco-caption', '--root', root, '--out', out, '--set', 'split=tset'], 3, /E_SOURCE_OPTIONS/],
    [['emoji-scenes', '--root', root, '--out', out], 2, /needs no preparation/],
    [['coco-caption', '--root', root, '--out', out], 4, /E_SOURCE/],
  ];
  for (const [args, status, text] of cases) {
    const outcome = await tristage(['prepare', ...args]);
    assert.equal(outcome.status, status, outcome.stderr);
    assert.match(outcome.stderr, text);
  }
  await writeCaptions(root, 60);
  const taken = await tristage(['prepare', 'coco-caption', '--root', root, '--out', join(root, 'train2017')]);
  assert.deepEqual([taken.status, readdirSync(join(root, 'train2017')).length], [4, 50]);
  assert.match(taken.stderr, /E_INDEX[\s\S]*other files/);
});

test('an interrupt leaves with 130, and the same command goes on where it stopped', async () => {
  const root = temporaryFolder('tristage-prepare-');
  await writeCaptions(root, 90_000);
  const out = join(root, 'index');
  const args = ['prepare', 'coco-caption', '--root', root, '--out', out];
  const stopped = await tristage(args, async (child) => {
    while (!existsSync(join(`${out}.partial`, 'state.json')) && child.exitCode === null) await pause(10);
    child.kill('SIGINT');
  });
  assert.equal(stopped.status, 130, stopped.stderr);
  assert.match(stopped.stderr, /interrupted; the same command goes on/);
  const { status, stdout, stderr } = await tristage([...args, '--json']);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /\d+ rows are there from an earlier attempt/);
  assert.equal(JSON.parse(stdout).rows, 90_000);
});

test('a run prepares what is missing by itself and says so, once; it takes the index that its line names', async () => {
  const root = temporaryFolder('tristage-prepare-');
  await writeCaptions(root, 100);
  const file = join(root, 'run.yaml');
  const write = (line: string): void =>
    writeFileSync(
      file,
      `version: 1
name: captions
stage: stage1-pretrain
model: { preset: tiny }
data:
  cache: ${join(root, 'cache')}
  mixture: { sources: [{ source: coco-caption, root: ${root}${line} }] }
train: { steps: 4, globalBatch: 2, optimizer: { lr: 1.0e-3 } }
`,
    );
  write('');
  const first = await tristage(['train', file, '--dry-run']);
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stderr, /source coco-caption: it has no index yet; reading its files into .*cache/);
  const [name, ...others] = readdirSync(join(root, 'cache'));
  assert.deepEqual(others, []);
  const second = await tristage(['train', file, '--dry-run']);
  assert.doesNotMatch(second.stderr, /index/);
  const named = `, index: ${join(root, 'elsewhere')}`;
  write(named);
  await tristage(['prepare', 'coco-caption', '--root', root, '--out', join(root, 'elsewhere')]);
  const manifest = readFileSync(join(root, 'elsewhere/manifest.json'), 'utf8');
  const third = await tristage(['train', file, '--dry-run']);
  assert.equal(third.status, 0, third.stderr);
  assert.doesNotMatch(third.stderr, /index/);
  assert.equal(readFileSync(join(root, 'elsewhere/manifest.json'), 'utf8'), manifest);
  assert.deepEqual(readdirSync(join(root, 'cache')), [name]);
  write(`${named}, split: val`);
  writeFileSync(
    join(root, 'annotations/captions_val2017.json'),
    readFileSync(join(root, 'annotations/captions_train2017.json')),
  );
  const other = await tristage(['train', file, '--dry-run']);
  assert.deepEqual([other.status, /E_INDEX_OTHER/.test(other.stderr)], [4, true], other.stderr);
});
