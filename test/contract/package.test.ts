/**
 * The package as its users meet it: what the tarball holds, and a project that installs it, defines a source, trains on it from a
 * program and from the command line. The project's files are those of docs/how-to/use-as-a-library.md.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { readEvents } from '../../lib/report/events.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  commandsOfPage,
  filesOfPage,
  installInto,
  mustRun,
  ownManifest,
  type Packed,
  packProject,
  ROOT,
  run,
  tool,
} from './installed-package.ts';

const PAGE = join(ROOT, 'docs/how-to/use-as-a-library.md');
const MB = 1e6;

const folder = temporaryFolder('tristage-package-');
let packed: Packed;
let tarball = '';
before(() => {
  ({ packed, tarball } = packProject(folder));
});

describe('the tarball', () => {
  const paths = (): string[] => packed.files.map(({ path }) => path);

  test('holds the build, the C++ sources, run files and documentation, and nothing else', () => {
    const top = [...new Set(paths().map((path) => path.split('/')[0] ?? ''))].sort();
    const expected = ['CHANGELOG.md', 'LICENSE', 'README.md', 'configs', 'dist', 'docs', 'lib', 'package.json'];
    assert.deepEqual(top, expected);
    const allowed: [RegExp, RegExp][] = [
      [/^dist\//, /\.(js|d\.ts)$/],
      [/^lib\//, /^lib\/engine\/native\/[^/]+\.(cpp|cc|h|inc)$/],
      [/^configs\//, /\.(yaml|json|safetensors)$/],
      [/^docs\//, /\.(md|svg|png)$/],
    ];
    const strangers = paths().filter((path) => allowed.some(([within, kind]) => within.test(path) && !kind.test(path)));
    assert.deepEqual(strangers, []);
    assert.deepEqual(
      paths().filter((path) => /(^|\/)(tests?|fixtures|node_modules|\.[^/]+)(\/|$)|^docs\/api\//.test(path)),
      [],
    );
  });

  test('holds what is read at run time', () => {
    const native = readdirSync(join(ROOT, 'lib/engine/native')).map((name) => `lib/engine/native/${name}`);
    const configs = readdirSync(join(ROOT, 'configs'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
    const needed = [
      ...native,
      ...configs,
      'dist/bin/tristage.js',
      'dist/lib/index.js',
      'dist/lib/index.d.ts',
      'dist/lib/data/image-worker.js',
      'dist/lib/engine/probe.js',
      'docs/licences.md',
      'docs/errors.md',
    ];
    assert.deepEqual(
      needed.filter((path) => !paths().includes(path)),
      [],
    );
    assert.match(readFileSync(join(ROOT, 'LICENSE'), 'utf8'), /MIT/);
  });

  test('is small: under 5 MB, under 12 MB unpacked, no file above 2 MB', () => {
    assert.ok(packed.size < 5 * MB, `${packed.size} bytes`);
    assert.ok(packed.unpackedSize < 12 * MB, `${packed.unpackedSize} bytes unpacked`);
    const large = packed.files.filter(({ size }) => size > 2 * MB);
    assert.deepEqual(large, []);
  });

  test('runs nothing when it is installed, and neither does what it depends on beyond what is known', () => {
    const lifecycle = /^(pre|post)?(install|prepare|publish|pack|uninstall)(Only)?$|^dependencies$/;
    assert.deepEqual(
      Object.keys(ownManifest().scripts).filter((name) => lifecycle.test(name)),
      [],
    );
    assert.ok(!packed.files.some(({ path }) => path.endsWith('binding.gyp')), 'npm would compile it');
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean; dev?: boolean; optional?: boolean }>;
    };
    const scripted = Object.entries(packages)
      .filter(([name, { hasInstallScript, dev }]) => name !== '' && hasInstallScript && !dev)
      .map(([name]) => name);
    // core-js prints a banner; it downloads nothing.
    assert.deepEqual(scripted, ['node_modules/core-js']);
  });
});

describe('a project that installs it', () => {
  let project = '';
  const tsc = (...args: string[]) => mustRun(process.execPath, [tool('typescript', 'tsc'), ...args], project);
  const tristage = (...args: string[]) => run('npx', ['--no-install', 'tristage', ...args], project);
  const losses = (out: string): number[] =>
    readEvents(join(project, out, 'events.jsonl')).flatMap((event) => (event.event === 'step' ? [event.loss] : []));

  before(async () => {
    project = installInto(folder, tarball);
    for (const [name, text] of filesOfPage(PAGE)) writeFileSync(join(project, name), text);
    const pixels = Buffer.alloc(64 * 48 * 3, 170);
    await sharp(pixels, { raw: { width: 64, height: 48, channels: 3 } })
      .jpeg()
      .toFile(join(project, 'photo.jpg'));
  });

  test('has only what the package depends on: no loader of TypeScript, no engine that a script would fetch', () => {
    for (const name of ['tsx', 'typescript', '@tensorflow/tfjs-node-gpu']) {
      assert.equal(existsSync(join(project, 'node_modules', name)), false, name);
    }
    assert.equal(existsSync(join(project, 'node_modules/tristage/dist/bin/tristage.js')), true);
  });

  test('compiles against its types in the strictest way, declarations of libraries included', () => {
    const settings = {
      target: 'ES2023',
      lib: ['ES2023'],
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      verbatimModuleSyntax: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
    };
    const text = JSON.stringify({ compilerOptions: settings, files: ['main.ts', 'squares.ts'] });
    writeFileSync(join(project, 'tsconfig.json'), text);
    assert.equal(tsc('-p', '.'), '');
    writeFileSync(
      join(project, 'wrong.ts'),
      "import { train } from 'tristage';\nvoid train({ config: 1, out: 'x' });\n",
    );
    assert.throws(
      () => tsc('--ignoreConfig', '--noEmit', '--skipLibCheck', '--module', 'nodenext', 'wrong.ts'),
      /TS2322/,
    );
  });

  test('finds the engine from the C++ sources of the tarball', () => {
    const { status, stdout, stderr } = tristage('setup', '--json');
    assert.equal(status, 0, stderr);
    assert.equal((JSON.parse(stdout) as { engine: string }).engine, 'torch');
  });

  test('validates a run file that ships and its own', () => {
    const shipped = 'node_modules/tristage/configs/quickstart/stage1.yaml';
    const { status, stdout, stderr } = tristage('validate', shipped, 'plugin.yaml');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, `${shipped}: valid\nplugin.yaml: valid\n`);
    const without = tristage('validate', 'run.yaml');
    assert.equal(without.status, 3, 'the source is in no registry without its module');
    assert.match(without.stderr, /squares/);
  });

  test('trains a run file that ships, with the tower beside it', () => {
    const shipped = 'node_modules/tristage/configs/quickstart/stage1.yaml';
    const scenes = 'data.mixture.sources=[{ source: emoji-scenes, task: identify, count: 64 }]';
    const settings = [scenes, 'train.steps=1', 'train.globalBatch=2', 'train.microBatch=2', 'engine.threads=1'];
    const set = settings.flatMap((one) => ['--set', one]);
    const { status, stderr } = tristage('train', shipped, '--out', 'runs/shipped', ...set);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /weights of vision: node_modules\/tristage\/configs\/quickstart\/vision\.safetensors/);
    assert.equal(losses('runs/shipped').length, 1);
  });

  test('writes run files to start from, whose schema editors find', () => {
    assert.equal(tristage('init', 'mine').status, 0);
    const text = readFileSync(join(project, 'mine/stage1.yaml'), 'utf8');
    const schema = /\$schema=(\S+)/.exec(text)?.[1] ?? '';
    assert.ok(existsSync(join(project, 'mine', schema)), schema);
  });

  test('trains ten steps on a source and stage of its own, evaluates, exports and asks the result, from a program', () => {
    const { status, stdout, stderr } = run(process.execPath, ['main.js'], project);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^10 steps, loss 1\d\.\d+ -> \d+\.\d+$/m);
    assert.match(stdout, /^10 steps on record; asked: \{"caption":4\}$/m);
    assert.match(stdout, /^merged: \d+ files; read back, logits differ by \S+$/m);
    assert.match(stdout, /^answer: /m);
    const trained = losses('runs/program');
    assert.equal(trained.length, 10);
    assert.ok(trained.at(-1)! < trained[0]! - 0.5, String(trained));
  });

  test('the commands of the page do the same work: equal weights, and the run remembers its plugin', () => {
    const named = commandsOfPage(PAGE).filter((line) => line.includes('plugin'));
    assert.equal(named.length, 3);
    for (const line of named) {
      const { status, stderr } = run('npx', ['--no-install', ...line.split(' ').slice(1)], project);
      assert.equal(status, 0, `${line}\n${stderr}`);
    }
    const weights = (out: string) => readFileSync(join(project, out, 'checkpoints/step-10/model.safetensors'));
    assert.ok(weights('runs/plugin').equals(weights('runs/program')));
    const resumed = tristage('train', 'plugin.yaml', '--out', 'runs/plugin', '--resume');
    assert.equal(resumed.status, 0, resumed.stderr);
    const asked = tristage('predict', '--checkpoint', 'runs/plugin', '--image', 'photo.jpg', '--task', 'caption');
    assert.equal(asked.status, 0, asked.stderr);
  });
});
