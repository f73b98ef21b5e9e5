/** `tristage data pack` as a user meets it, and a run over what it wrote. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { makeJsonl } from '../data/make/jsonl.ts';
import { jsonLinesOf } from '../data/make/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = temporaryFolder('tristage-pack-cache-');

/** @param during gets the process while it runs */
async function tristage(args: readonly string[], during?: (child: ChildProcess) => Promise<void>) {
  const env = { ...process.env, NO_COLOR: '1', CI: '1', TRISTAGE_CACHE_DIR: CACHE };
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

test('own data is packed, said to be there a second time, and trained on from its shards', async () => {
  const root = temporaryFolder('tristage-pack-');
  await makeJsonl(root);
  const out = join(root, 'shards');
  const args = ['data', 'pack', 'jsonl', '--root', root, '--out', out, '--shard-samples', '2'];
  const packed = await tristage([...args, '--json']);
  assert.equal(packed.status, 0, packed.stderr);
  const { bytes, ...facts } = JSON.parse(packed.stdout);
  assert.equal(bytes, 8192);
  assert.deepEqual(facts, {
    ok: true,
    source: 'jsonl',
    out,
    shards: 2,
    samples: 3,
    records: 6,
    images: 2,
    rejected: 0,
    byReason: {},
    written: true,
  });
  const again = await tristage(args);
  assert.deepEqual(
    [again.status, again.stdout],
    [0, `6 samples with 2 images in 2 shards, 0.0 MiB, 0 left out: ${out}\n`],
  );
  assert.match(again.stderr, /are those of the source already/);

  const file = join(root, 'run.yaml');
  writeFileSync(
    file,
    `version: 1
name: packed
stage: stage1-pretrain
model: { preset: tiny }
data: { mixture: { sources: [{ source: webdataset, task: conversation, root: '${out}/shard-{00000..00001}.tar' }] } }
train: { steps: 4, globalBatch: 2, optimizer: { lr: 1.0e-3 } }
`,
  );
  const trained = await tristage(['train', file, '--dry-run']);
  assert.equal(trained.status, 0, trained.stderr);
});

test('what cannot be meant is refused before anything is written', async () => {
  const root = temporaryFolder('tristage-pack-');
  await makeJsonl(root);
  const out = join(root, 'shards');
  const cases: [args: string[], status: number, text: RegExp][] = [
    [['pack'], 2, /needs <action> <source>/],
    [['pack', 'jsnol', '--root', root], 2, /did you mean jsonl\?/],
    [['pack', 'jsonl'], 2, /jsonl needs --root/],
    [['pack', 'jsonl', '--root', root, '--set', 'invlaid=skip'], 2, /did you mean invalid\?/],
    [['pack', 'jsonl', '--root', root, '--shard-mb', '0'], 2, /positive number of MiB/],
    [['pack', 'jsonl', '--root', join(root, 'photos')], 4, /E_SOURCE/],
  ];
  for (const [args, status, text] of cases) {
    const outcome = await tristage(['data', ...args, '--out', out]);
    assert.deepEqual([outcome.status, text.test(outcome.stderr)], [status, true], outcome.stderr);
  }
  assert.equal(existsSync(out), false);
  const taken = await tristage(['data', 'pack', 'jsonl', '--root', root, '--out', join(root, 'photos')]);
  assert.deepEqual([taken.status, readdirSync(join(root, 'photos'))], [2, ['1.jpg', '2.jpg']]);
  assert.match(taken.stderr, /E_OUT_FOREIGN/);
});

test('an interrupt leaves with 130, and the same command goes on where it stopped', async () => {
  const root = temporaryFolder('tristage-pack-');
  const record = { task: 'text', turns: [{ question: 'a?', answer: 'b' }] };
  writeFileSync(join(root, 'a.jsonl'), jsonLinesOf(Array.from({ length: 1000 }, () => record)));
  const out = join(root, 'shards');
  const args = ['data', 'pack', 'jsonl', '--root', root, '--out', out, '--shard-samples', '1'];
  const progress = join(out, 'progress.jsonl');
  const written = (): number => (existsSync(progress) ? readFileSync(progress, 'utf8').split('\n').length : 0);
  const stopped = await tristage(args, async (child) => {
    while (written() < 5 && child.exitCode === null) await pause(5);
    child.kill('SIGINT');
  });
  assert.equal(stopped.status, 130, stopped.stderr);
  assert.match(stopped.stderr, /interrupted; the same command goes on/);
  assert.ok(!existsSync(join(out, 'manifest.json')) && !existsSync(`${out}.lock`));
  const ended = await tristage([...args, '--json']);
  assert.equal(ended.status, 0, ended.stderr);
  assert.match(ended.stderr, /\d+ shards are there from an earlier attempt/);
  assert.equal(JSON.parse(ended.stdout).shards, 1000);
  assert.deepEqual(readdirSync(out).length, 1001);
});
