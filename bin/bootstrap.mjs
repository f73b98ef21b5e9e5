/**
 * From a bare clone to a working project, with nothing but Node.js: `node bin/bootstrap.mjs test|quickstart [arguments]`.
 * Installs packages and builds when that is due, sets up the engines, then does what the command says.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CLI = join(ROOT, 'dist/bin/tristage.js');
/** Statuses of docs: 1 failure, 2 usage, 5 environment. */
const STATUS = { failure: 1, usage: 2, environment: 5 };
const START = Date.now();

class Problem extends Error {
  constructor(message, fix, status = STATUS.environment) {
    super(`${message}\n  fix: ${fix}`);
    this.status = status;
  }
}

function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`);
}

/** Runs a program in the project's folder, its output passed through; returns its exit status. */
function run(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
  if (error) throw new Problem(`${program} could not be started: ${error.message}`, `install ${program}`);
  return status ?? STATUS.failure;
}

/** Runs a development tool of this project through its script in node_modules/.bin. */
const tool = (name, args) => run(join(ROOT, 'node_modules/.bin', name), args);

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return;
  throw new Problem(`Node.js ${process.versions.node} is not supported`, 'install Node.js 20.19+ or 22.12+');
}

/** Time of the newest file below a path, in milliseconds; 0 when there is none. */
function newest(path) {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function install() {
  const [lock, installed] = ['package-lock.json', 'node_modules/.package-lock.json'].map((path) => join(ROOT, path));
  // npm install writes both files within a moment, in either order.
  const moment = 5000;
  if (existsSync(installed) && statSync(installed).mtimeMs + moment >= statSync(lock).mtimeMs) return;
  say('installing packages (npm ci)');
  if (run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']) !== 0) {
    throw new Problem('npm ci failed', 'read the message above; the network and the npm registry must be in reach');
  }
}

function build() {
  const inputs = ['lib', 'bin', 'datasets', 'stages', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
  if (newest(CLI) > Math.max(...inputs.map((path) => newest(join(ROOT, path))))) return;
  say('building dist/');
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  if (tool('tsc', ['-p', 'tsconfig.build.json']) === 0) return;
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  throw new Problem('the build failed', 'mend the errors above', STATUS.failure);
}

/** Sets an engine up; returns what `tristage setup --json` reports, or undefined when it failed and said why. */
function setUp(engine, { env = {}, options = [] } = {}) {
  say(['setting up the engine', engine, ...Object.values(env)].join(' '));
  const settings = {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    env: { ...process.env, ...env },
  };
  const { status, stdout } = spawnSync(
    process.execPath,
    [CLI, 'setup', '--engine', engine, '--json', ...options],
    settings,
  );
  if (status !== 0) return undefined;
  const report = JSON.parse(stdout);
  say(`${engine} ${report.version} is ready (${report.source}: ${report.dir})`);
  return report;
}

function requireEngine(engine, options = []) {
  const report = setUp(engine, { options });
  if (report === undefined) throw new Problem(`the engine ${engine} could not be set up`, 'read the message above');
  return report;
}

/**
 * The engines that tests run on: torch; a second libtorch where Debian's old one and the wheel of pip can both be had;
 * tensorflow where it can be had. TRISTAGE_TEST_ENGINES takes fewer, as in `torch,tensorflow`.
 */
function testEngines() {
  const wanted = process.env.TRISTAGE_TEST_ENGINES?.split(',') ?? ['torch', 'second-torch', 'tensorflow'];
  const { version } = requireEngine('torch');
  const engines = [{ name: `torch ${version}`, engine: 'torch', env: {} }];
  const isNamed = process.env.TRISTAGE_TORCH_SOURCE || process.env.TRISTAGE_TORCH_DIR;
  const hasDebian = existsSync('/usr/include/ATen/core/dispatch/Dispatcher.h');
  if (wanted.includes('second-torch') && !isNamed && hasDebian) {
    const env = { TRISTAGE_TORCH_SOURCE: version.startsWith('1.') ? 'pip' : 'debian' };
    const second = setUp('torch', { env });
    if (second) engines.push({ name: `torch ${second.version}`, engine: 'torch', env });
    else say('the second libtorch cannot be had here: tests on it are left out');
  }
  if (wanted.includes('tensorflow')) {
    const tensorflow = setUp('tensorflow');
    if (tensorflow) engines.push({ name: `tensorflow ${tensorflow.version}`, engine: 'tensorflow', env: {} });
    else say('tensorflow cannot be had here: its tests report as skipped');
  }
  return engines;
}

/** Tests that need minutes and gigabytes: `npm run test:full`. */
const FULL = join('full', '/');

function testFiles(filter) {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !name.startsWith(FULL))
    .map((name) => join('test', name))
    .sort();
  const matching = files.filter((name) => filter.length === 0 || filter.some((word) => name.includes(word)));
  if (matching.length > 0) return matching;
  throw new Problem(
    `no test file has ${filter.join(' or ') || '.test.ts'} in its path`,
    'see test/**/*.test.ts',
    STATUS.usage,
  );
}

/** Whether a test file computes on the engine that it is told to, or on this one always. */
function isNumeric(file, engine) {
  if (file.startsWith(`test/conformance/${engine}/`)) return true;
  return readFileSync(join(ROOT, file), 'utf8').includes('support/engine');
}

/** Threads that wait must sleep: those that spin take the processors from the other processes of a test run. */
const SLEEP = { OMP_WAIT_POLICY: 'passive' };

function nodeTests(files, { engine, env }) {
  const settings = { TRISTAGE_TEST_ENGINE: engine, ...SLEEP, ...env };
  const options = ['--import', 'tsx', '--test', '--test-concurrency=2', '--test-reporter=spec'];
  return run(process.execPath, [...options, ...files], settings);
}

/** The quickstart with a tenth of its steps, in a folder that goes away again. */
function shortQuickstart(engine) {
  const folder = mkdtempSync(join(tmpdir(), 'tristage-quickstart-'));
  try {
    const args = ['--engine', engine, '--short', '--out', join(folder, 'run')];
    return run(process.execPath, [join(ROOT, 'dist/bin/quickstart.js'), ...args], SLEEP);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The checks of `npm test`, each with the function that gives its exit status. */
function listChecks(files, isWhole) {
  const engines = testEngines();
  const checks = [];
  if (isWhole) {
    checks.push(['lint', () => tool('biome', ['check', '--error-on-warnings', '.'])]);
    checks.push(['typecheck', () => tool('tsc', ['-p', 'tsconfig.json'])]);
    checks.push(['knip', () => tool('knip', [])]);
    for (const { name, engine, env } of engines) {
      const parity = ['--import', 'tsx', 'test/parity/run.ts', '--engine', engine];
      checks.push([`parity on ${name}`, () => run(process.execPath, parity, { ...SLEEP, ...env })]);
    }
  }
  const [first, ...others] = engines;
  if (isWhole) {
    // One libtorch is enough here: both compute the same kernels.
    for (const name of new Set(engines.map(({ engine }) => engine))) {
      checks.push([`quickstart --short on ${name}`, () => shortQuickstart(name)]);
    }
  }
  for (const other of others) {
    const numeric = files.filter((name) => isNumeric(name, other.engine));
    if (numeric.length > 0) checks.push([`numeric tests on ${other.name}`, () => nodeTests(numeric, other)]);
  }
  // The whole suite comes last, so that its summary is in view.
  checks.push([`tests on ${first.name}`, () => nodeTests(files, first)]);
  return checks;
}

/** All checks, or with words the test files that have them in their path. */
function test(filter) {
  const files = testFiles(filter);
  return () => {
    const results = listChecks(files, filter.length === 0).map(([name, check]) => {
      say(name);
      const start = Date.now();
      const passed = check() === 0;
      say(`${name}: ${passed ? 'passed' : 'FAILED'} (${Math.round((Date.now() - start) / 1000)} s)`);
      return { name, passed };
    });
    const failed = results.filter(({ passed }) => !passed).map(({ name }) => name);
    say(failed.length === 0 ? `all ${results.length} checks passed` : `failed: ${failed.join(', ')}`);
    return failed.length === 0 ? 0 : STATUS.failure;
  };
}

/** Options of the quickstart, each with whether a value follows. */
const QUICKSTART_OPTIONS = { '--engine': true, '--out': true, '--short': false };

/** The options as a map. @throws Problem for any that is unknown or lacks its value */
function quickstartOptions(args) {
  const options = new Map();
  for (let at = 0; at < args.length; at++) {
    const [name, inline] = args[at].split(/=(.*)/s);
    if (!Object.hasOwn(QUICKSTART_OPTIONS, name)) {
      const known = Object.keys(QUICKSTART_OPTIONS).join(', ');
      throw new Problem(`quickstart has no option ${args[at]}`, `use some of ${known}`, STATUS.usage);
    }
    const value = QUICKSTART_OPTIONS[name] ? (inline ?? args[++at]) : '';
    if (value === undefined) throw new Problem(`${name} needs a value`, `${name} VALUE`, STATUS.usage);
    options.set(name, value);
  }
  return options;
}

/** Trains and evaluates the three stages of configs/quickstart; bin/quickstart.ts does it. */
function quickstart(args) {
  const engine = quickstartOptions(args).get('--engine') ?? 'torch';
  if (engine !== 'torch' && engine !== 'tensorflow') {
    throw new Problem(`there is no engine ${engine}`, 'use --engine torch or --engine tensorflow', STATUS.usage);
  }
  return () => {
    requireEngine(engine, ['--known']);
    const seconds = Math.round((Date.now() - START) / 1000);
    return run(process.execPath, [join(ROOT, 'dist/bin/quickstart.js'), ...args, '--setup-seconds', String(seconds)]);
  };
}

function main([command, ...args]) {
  const commands = { test, quickstart };
  if (!Object.hasOwn(commands, command ?? '')) {
    throw new Problem(
      `unknown command ${command ?? '(none)'}`,
      'node bin/bootstrap.mjs test | quickstart',
      STATUS.usage,
    );
  }
  requireNode();
  // The arguments are judged before anything takes time.
  const work = commands[command](args);
  install();
  build();
  return work();
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = error.status;
}
