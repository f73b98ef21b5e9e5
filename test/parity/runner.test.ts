/** The parity runner itself: what counts as failure, and what it prints. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testEngine } from '../support/engine.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const root = await mkdtemp(join(tmpdir(), 'tristage-parity-'));
after(() => rm(root, { recursive: true }));

function parity(...args: string[]): { status: number | null; lines: string[]; complaint: string } {
  const script = join(import.meta.dirname, 'run.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, ...args], {
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n'), complaint: stderr };
}

const engine = ['--engine', testEngine()];

/** A folder that holds a copy of one fixture. */
async function copyOf(fixture: string, name: string): Promise<string> {
  const dir = join(root, `${fixture}-${name}`);
  await cp(join(FIXTURES, fixture), join(dir, name), { recursive: true });
  return dir;
}

test('a fixture that agrees passes under any folder name, with a line for each comparison', async () => {
  const dir = await copyOf('eva', 'renamed');
  const { status, lines } = parity(...engine, dir);
  assert.equal(status, 0);
  const passed = lines.filter((line) => line.startsWith('ok'));
  assert.equal(lines.at(-1), `${passed.length} passed, 0 failed`);
  assert.ok(passed.length >= 10 && passed.every((line) => line.includes('renamed/')));
});

test('one changed number in the weights fails, and says where and by how much', async () => {
  const dir = await copyOf('eva', 'eva');
  const path = join(dir, 'eva', 'weights.safetensors');
  const bytes = await readFile(path);
  const header = Number(bytes.readBigUInt64LE());
  const parsed = JSON.parse(bytes.subarray(8, 8 + header).toString()) as Record<string, { data_offsets: number[] }>;
  const at = 8 + header + (parsed['llama_proj.bias']?.data_offsets[0] ?? 0);
  bytes.writeFloatLE(bytes.readFloatLE(at) + 0.01, at);
  await writeFile(path, bytes);
  const { status, lines } = parity(...engine, dir);
  assert.equal(status, 1);
  const failed = lines.filter((line) => line.startsWith('FAIL'));
  assert.deepEqual(
    failed.map((line) => line.split(' ')[1]),
    ['eva/native.proj_out:', 'eva/interp.proj_out:'],
  );
  assert.match(failed[0] ?? '', /relative error .*, limit/);
  assert.match(lines.at(-1) ?? '', /^\d+ passed, 2 failed$/);
});

test('an empty folder is a failure', async () => {
  const dir = join(root, 'empty');
  await mkdir(dir);
  const { status, lines } = parity(...engine, dir);
  assert.equal(status, 1);
  assert.equal(lines.at(-1), '0 passed, 1 failed');
});

test('an unknown folder is a failure', async () => {
  const dir = join(root, 'unknown');
  await mkdir(join(dir, 'mystery'), { recursive: true });
  const { status, lines } = parity(...engine, dir);
  assert.equal(status, 1);
  assert.match(lines.find((line) => line.startsWith('FAIL')) ?? '', /mystery: unknown fixture 'mystery'/);
  assert.equal(lines.at(-1), '0 passed, 1 failed');
});

test('a fixture without its files is a failure that names what is missing', async () => {
  const dir = await copyOf('llama', 'llama');
  await rm(join(dir, 'llama', 'weights.safetensors'));
  const { status, lines } = parity(...engine, dir);
  assert.equal(status, 1);
  assert.match(lines.find((line) => line.startsWith('FAIL')) ?? '', /weights\.safetensors/);
});

test('an unknown engine or a folder that does not exist is refused', () => {
  assert.equal(parity('--engine', 'abacus').status, 1);
  const { status, complaint } = parity(...engine, join(root, 'nowhere'));
  assert.equal(status, 1);
  assert.match(complaint, /nowhere/);
});
