/** The command line as a user meets it: exit status, streams, help, suggestions. */
import assert from 'node:assert/strict';
import { fork, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { CliOutcome } from './cli-child.ts';
import { formatRun, validRun } from './valid-run.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** One process for all command lines: starting one for each would take most of the time. */
const child = fork(join(import.meta.dirname, 'cli-child.ts'), { execArgv: ['--import', 'tsx'], cwd: ROOT });
after(() => child.disconnect());

function tristage(args: readonly string[], env: Record<string, string> = {}): Promise<CliOutcome> {
  return new Promise((done, fail) => {
    child.once('message', (outcome: CliOutcome) => {
      child.removeListener('error', fail);
      done(outcome);
    });
    child.once('error', fail);
    child.send({ args: [...args], env: { NO_COLOR: '1', ...env } });
  });
}

function runFile(text: string): string {
  const folder = temporaryFolder('tristage-cli-');
  writeFileSync(join(folder, 'run.yaml'), text);
  return join(folder, 'run.yaml');
}

test('alone, and with --help, it lists its commands on stdout and exits 0', async () => {
  for (const args of [[], ['--help'], ['-h'], ['help']]) {
    const { status, stdout, stderr } = await tristage(args);
    assert.equal(status, 0);
    assert.equal(stderr, '');
    for (const name of [
      'setup',
      'doctor',
      'init',
      'validate',
      'train',
      'replay',
      'eval',
      'predict',
      'report',
      'bench',
      'schema',
    ]) {
      assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
    }
  }
});

test('--version prints the version of the package', async () => {
  for (const flag of ['--version', '-V']) {
    const { status, stdout } = await tristage([flag]);
    assert.equal(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  }
});

test('every command has help with an example that begins with its name', async () => {
  for (const name of [
    'setup',
    'doctor',
    'init',
    'validate',
    'train',
    'replay',
    'eval',
    'predict',
    'report',
    'bench',
    'schema',
  ]) {
    const { status, stdout } = await tristage([name, '--help']);
    assert.equal(status, 0, name);
    assert.match(stdout, new RegExp(`Examples:\\s+tristage ${name}`), name);
  }
});

test('an unknown command, option or positional exits 2 and says what was meant', async () => {
  const cases: [string[], RegExp][] = [
    [['trian'], /did you mean tristage train\?/],
    [['validate', 'x.yaml', '--prnt'], /did you mean --print\?/],
    [['schema', 'extra'], /does not know extra/],
    [['train', 'x.yaml'], /out/],
    [['validate'], /needs <config\.\.>/],
    [['bench', 'everything'], /ops/],
    [['--frobnicate'], /command must come before options/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await tristage(args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.match(stderr, /^error E_USAGE: /);
  }
});

test('validate reports every fault of a file on stderr with its place, exits 3, and prints no stack', async () => {
  const file = runFile(formatRun(validRun).replace('steps', 'stepz').replace('stage1-pretrain', 'stage1-pretrian'));
  const { status, stdout, stderr } = await tristage(['validate', file]);
  assert.equal(status, 3);
  assert.equal(stdout, '');
  assert.match(stderr, /E_CONFIG_UNKNOWN_KEY: unknown key "stepz" in train\n {2}where: {4}.*run\.yaml:\d+:\d+/);
  assert.match(stderr, /did you mean steps\?/);
  assert.match(stderr, /did you mean stage1-pretrain\?/);
  assert.match(stderr, /train\.steps is missing/);
  assert.doesNotMatch(stderr, /\n {4}at /);
});

test('--debug adds the stack, --json puts the faults on stdout as one document', async () => {
  const file = runFile(formatRun(validRun).replace('steps', 'stepz'));
  assert.match((await tristage(['validate', file, '--debug'])).stderr, /\n {4}at /);
  const { status, stdout } = await tristage(['validate', file, '--json']);
  assert.equal(status, 3);
  const { ok, errors } = JSON.parse(stdout) as { ok: boolean; errors: { code: string; where: string }[] };
  assert.equal(ok, false);
  assert.deepEqual(errors.map(({ code }) => code).sort(), ['E_CONFIG_MISSING', 'E_CONFIG_UNKNOWN_KEY']);
});

test('validate --print shows the whole run, --origin where each value came from, --set wins', async () => {
  const file = runFile(formatRun(validRun));
  const plain = await tristage(['validate', file, '--print', '--set', 'train.steps=77']);
  assert.equal(plain.status, 0);
  assert.match(plain.stdout, /steps: 77\n/);
  assert.match(plain.stdout, /seed: 42\n/);
  const origin = await tristage(['validate', file, '--print', '--origin', '--set', 'train.steps=77']);
  assert.match(origin.stdout, /steps: 77 # --set train\.steps=77/);
  assert.match(origin.stdout, /seed: 42 # default/);
  assert.match(origin.stdout, /name: contract # .*run\.yaml:2:7/);
});

test('colour is used only where it is asked for', async () => {
  const red = `${String.fromCharCode(27)}[31m`;
  assert.ok(!(await tristage(['trian'])).stderr.includes(red));
  assert.ok((await tristage(['trian'], { NO_COLOR: '', FORCE_COLOR: '1' })).stderr.includes(red));
  assert.ok(!(await tristage(['trian'], { NO_COLOR: '1', FORCE_COLOR: '1' })).stderr.includes(red));
});

test('train refuses a folder with content before it opens anything, exit 2', async () => {
  const file = runFile(formatRun(validRun));
  const { status, stderr } = await tristage(['train', file, '--out', resolve(file, '..')]);
  assert.equal(status, 2);
  assert.match(stderr, /E_OUT_EXISTS/);
});

test('train without its data names what is missing, exits 4, and leaves no folder behind', async () => {
  const file = runFile(formatRun(validRun));
  const out = join(resolve(file, '..'), 'out');
  const { status, stderr } = await tristage(['train', file, '--out', out]);
  assert.equal(status, 4);
  assert.match(stderr, /no\/such\/folder/);
  assert.equal((await tristage(['train', file, '--out', out])).status, 4);
});

test('predict on what is no run exits 8, an unknown task exits 2', async () => {
  assert.equal((await tristage(['predict', '--checkpoint', 'no/run', '--image', 'x.jpg'])).status, 8);
  const { status, stderr } = await tristage([
    'predict',
    '--checkpoint',
    'no/run',
    '--task',
    'captoin',
    '--image',
    'x.jpg',
  ]);
  assert.equal(status, 2);
  assert.match(stderr, /did you mean --task caption\?/);
});

test('report on what is no run exits 2', async () => {
  const { status, stdout, stderr } = await tristage(['report', 'no/run']);
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /^error E_REPORT_RUN: /);
});

test('the status of the process is that of the command, and results reach a pipe whole', () => {
  const run = (args: readonly string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', join(ROOT, 'bin/tristage.ts'), ...args], {
      cwd: ROOT,
      encoding: 'utf8',
    });
  assert.equal(run(['trian']).status, 2);
  const { status, stdout } = run(['schema']);
  assert.equal(status, 0);
  assert.equal((JSON.parse(stdout) as { title: string }).title, 'tristage run');
});

test('commands that need no engine load none', () => {
  const file = runFile(formatRun(validRun));
  const probe = `
    const { main } = await import(${JSON.stringify(join(ROOT, 'bin/main.ts'))});
    for (const args of [['--help'], ['--version'], ['train', '--help'], ['validate', ${JSON.stringify(file)}], ['schema']]) {
      if (await main(args) !== 0) throw new Error(args.join(' '));
      const loaded = Object.keys((await import('node:module')).createRequire(${JSON.stringify(join(ROOT, 'x.js'))}).cache);
      if (loaded.some((name) => name.includes('tfjs')) || globalThis._tfGlobals) throw new Error('engine: ' + args.join(' '));
    }
    // The probe itself must be able to see an engine.
    await import(${JSON.stringify(join(ROOT, 'lib/engine/tf.ts'))});
    if (!globalThis._tfGlobals) throw new Error('the probe is blind');`;
  const argv = ['--import', 'tsx', '--input-type=module', '-e', probe];
  const { status, stderr } = spawnSync(process.execPath, argv, { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('a reader that closes the pipe early is no fault', () => {
  const line = `set -o pipefail; ${process.execPath} --import tsx bin/tristage.ts schema | head -c 10`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(stdout.length, 10);
  assert.equal(stderr, '');
  assert.equal(status, 0);
});
