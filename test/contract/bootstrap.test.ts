/** bin/bootstrap.mjs in a small project of its own: what it installs, builds and runs, and what it says when it cannot. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'tristage-bootstrap-'));
after(() => rmSync(root, { recursive: true, force: true }));

let project = '';
const log = () => join(project, 'calls.log');

/** A program that notes its name and arguments, then runs `body`. */
function program(path: string, body = ''): void {
  const text = `#!${process.execPath}
const fs = require('node:fs');
const path = require('node:path');
const args = process.argv.slice(2);
fs.appendFileSync(${JSON.stringify(log())}, [path.basename(process.argv[1]), ...args].join(' ') + '\\n');
${body}
`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o755 });
}

function file(name: string, text = ''): string {
  const path = join(project, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** Gives a file another time, in seconds from now. */
function touch(name: string, seconds: number): void {
  const time = Date.now() / 1000 + seconds;
  utimesSync(join(project, name), time, time);
}

const CLI = `
if (args[0] === 'setup') {
  if (args[2] === process.env.BROKEN_ENGINE) { console.error('no such engine here'); process.exit(5); }
  console.log(JSON.stringify({ engine: args[2], version: '2.1.0', source: 'test', dir: 'here' }));
}
`;

/** A project that is installed and built, whose tools only note that they were called. */
function makeProject(): void {
  project = mkdtempSync(join(root, 'project-'));
  mkdirSync(join(project, 'bin'));
  copyFileSync(join(REPOSITORY, 'bin/bootstrap.mjs'), join(project, 'bin/bootstrap.mjs'));
  file('package.json', '{ "type": "commonjs" }');
  file('tsconfig.json');
  file('tsconfig.build.json');
  file('package-lock.json', '{}');
  file('lib/index.ts');
  file('node_modules/.package-lock.json', '{}');
  for (const tool of ['biome', 'knip']) program(join(project, 'node_modules/.bin', tool));
  const compile = `
if (args[1] === 'tsconfig.build.json') {
  fs.mkdirSync('dist/bin', { recursive: true });
  fs.copyFileSync('cli.js', 'dist/bin/tristage.js');
}
if (fs.existsSync('type-error')) process.exit(2);`;
  program(join(project, 'node_modules/.bin/tsc'), compile);
  program(join(project, 'cli.js'), CLI);
  program(join(project, 'dist/bin/tristage.js'), CLI);
  program(join(project, 'dist/bin/quickstart.js'));
  program(join(project, 'npm-folder/npm'), `fs.utimesSync('node_modules/.package-lock.json', new Date(), new Date());`);
  symlinkSync(join(REPOSITORY, 'node_modules/tsx'), join(project, 'node_modules/tsx'));
  file('test/parity/run.ts', `require('node:fs').appendFileSync(${JSON.stringify(log())}, 'parity\\n');`);
  file('test/unit/good.test.ts', `require('node:test').test('good', () => {});`);
  touch('package-lock.json', -60);
  for (const name of ['lib/index.ts', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'bin/bootstrap.mjs']) {
    touch(name, -60);
  }
}

interface Outcome {
  status: number | null;
  output: string;
  calls: string[];
}

function bootstrap(args: readonly string[], env: Record<string, string> = {}): Outcome {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TRISTAGE|NODE_TEST)/.test(name)));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/bootstrap.mjs', ...args], {
    cwd: project,
    encoding: 'utf8',
    env: {
      ...clean,
      PATH: `${join(project, 'npm-folder')}:${process.env['PATH']}`,
      TRISTAGE_TEST_ENGINES: 'torch',
      ...env,
    },
  });
  const calls = existsSync(log()) ? readFileSync(log(), 'utf8').trim().split('\n') : [];
  return { status, output: `${stdout}${stderr}`, calls };
}

beforeEach(makeProject);

describe('bootstrap: wrong use', () => {
  test('an unknown command is refused before anything is installed', () => {
    const { status, output, calls } = bootstrap(['tset']);
    assert.equal(status, 2);
    assert.match(output, /unknown command tset[\s\S]*fix: /);
    assert.deepEqual(calls, []);
  });

  test('a filter that matches no test file is refused before anything is installed', () => {
    const { status, output, calls } = bootstrap(['test', 'no-such-test']);
    assert.equal(status, 2);
    assert.match(output, /no-such-test/);
    assert.deepEqual(calls, []);
  });

  test('an option that quickstart does not have, or that lacks its value, is refused before anything is installed', () => {
    for (const [args, found] of [
      [['--shrot'], /no option --shrot[\s\S]*fix: /],
      [['--engine'], /--engine needs a value/],
    ] as const) {
      const { status, output, calls } = bootstrap(['quickstart', ...args]);
      assert.equal(status, 2);
      assert.match(output, found);
      assert.deepEqual(calls, []);
    }
  });

  test('quickstart on an engine that does not exist is refused', () => {
    const { status, output } = bootstrap(['quickstart', '--engine', 'jax']);
    assert.equal(status, 2);
    assert.match(output, /no engine jax/);
  });
});

describe('bootstrap: what is due', () => {
  test('an installed and built project is neither installed nor built again', () => {
    const { status, output, calls } = bootstrap(['test', 'good']);
    assert.equal(status, 0, output);
    assert.deepEqual(calls, ['tristage.js setup --engine torch --json']);
  });

  test('packages are installed when the lock file is newer', () => {
    touch('package-lock.json', 60);
    const { calls } = bootstrap(['test', 'good']);
    assert.match(calls[0] ?? '', /^npm ci --ignore-scripts/);
  });

  test('packages are installed when there are none', () => {
    rmSync(join(project, 'node_modules/.package-lock.json'));
    const { calls } = bootstrap(['test', 'good']);
    assert.match(calls[0] ?? '', /^npm ci/);
  });

  test('a source newer than the build is built', () => {
    touch('lib/index.ts', 60);
    const { calls } = bootstrap(['test', 'good']);
    assert.equal(calls[0], 'tsc -p tsconfig.build.json');
  });

  test('a build that fails leaves no dist that would pass for a good one', () => {
    touch('lib/index.ts', 60);
    file('type-error');
    const { status, output } = bootstrap(['test', 'good']);
    assert.equal(status, 1);
    assert.match(output, /the build failed/);
    assert.equal(existsSync(join(project, 'dist')), false);
  });
});

describe('bootstrap: test', () => {
  test('runs lint, types, unused code, parity and the tests, and shows their summary', () => {
    const { status, output, calls } = bootstrap(['test']);
    assert.equal(status, 0, output);
    const shown = calls.map((call) => call.replace(/--out .*/, '--out FOLDER'));
    assert.deepEqual(shown, [
      'tristage.js setup --engine torch --json',
      'biome check --error-on-warnings .',
      'tsc -p tsconfig.json',
      'knip',
      'parity',
      'quickstart.js --engine torch --short --out FOLDER',
    ]);
    assert.match(output, /pass 1\n/);
    assert.match(output, /all 6 checks passed/);
  });

  test('a failing test fails the whole, and is named', () => {
    file('test/unit/bad.test.ts', `require('node:test').test('bad', () => { throw new Error('on purpose'); });`);
    const { status, output } = bootstrap(['test']);
    assert.equal(status, 1);
    assert.match(output, /fail 1\n/);
    assert.match(output, /failed: tests on torch/);
  });

  test('a failing check fails the whole, and the others still run', () => {
    program(join(project, 'node_modules/.bin/knip'), 'process.exit(1);');
    const { status, output } = bootstrap(['test']);
    assert.equal(status, 1);
    assert.match(output, /failed: knip\n/);
    assert.match(output, /pass 1\n/);
  });

  test('without torch nothing can be tested: status 5', () => {
    const { status, output } = bootstrap(['test'], { BROKEN_ENGINE: 'torch' });
    assert.equal(status, 5);
    assert.match(output, /the engine torch could not be set up/);
  });

  test('tensorflow is optional', () => {
    const settings = { TRISTAGE_TEST_ENGINES: 'torch,tensorflow', BROKEN_ENGINE: 'tensorflow' };
    const { status, output } = bootstrap(['test'], settings);
    assert.equal(status, 0, output);
    assert.match(output, /tensorflow cannot be had here/);
  });
});

describe('bootstrap: quickstart', () => {
  test('sets the engine up, then trains with the same options and the seconds that this took', () => {
    program(join(project, 'dist/bin/quickstart.js'));
    const { status, output, calls } = bootstrap(['quickstart', '--engine', 'tensorflow', '--short']);
    assert.equal(status, 0, output);
    assert.equal(calls[0], 'tristage.js setup --engine tensorflow --json --known');
    assert.match(calls[1] ?? '', /^quickstart\.js --engine tensorflow --short --setup-seconds \d+$/);
    assert.equal(calls.length, 2);
  });

  test('without its engine nothing is trained: status 5', () => {
    const { status, calls } = bootstrap(['quickstart'], { BROKEN_ENGINE: 'torch' });
    assert.equal(status, 5);
    assert.deepEqual(calls, ['tristage.js setup --engine torch --json --known']);
  });

  test('the status of the quickstart is passed on', () => {
    program(join(project, 'dist/bin/quickstart.js'), 'process.exit(9);');
    assert.equal(bootstrap(['quickstart']).status, 9);
  });
});

describe('.ci/run', () => {
  test('is an executable script that bash can read', () => {
    const path = join(REPOSITORY, '.ci/run');
    accessSync(path, constants.X_OK);
    assert.equal(spawnSync('bash', ['-n', path]).status, 0);
  });
});
