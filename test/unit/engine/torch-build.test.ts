/** Building the addon and loading it: every way to fail has a code, and a wrong library never ends the process. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { findCompiler, runCommand } from '../../../lib/engine/toolchain.ts';
import { native, RECORD_NAME } from '../../../lib/engine/torch/binding.ts';
import { buildAddon } from '../../../lib/engine/torch/build.ts';
import { findTorch, requestedSource, type TorchInstall } from '../../../lib/engine/torch/find.ts';
import { readyTorch } from '../../../lib/engine/torch/setup.ts';

const folder = mkdtempSync(join(tmpdir(), 'tristage-build-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const compiler = await findCompiler();
const { found } = await findTorch(requestedSource());
const skip = found === undefined || compiler === undefined ? 'no libtorch or no compiler on this machine' : false;

const coded = (code: string) => (error: unknown) => error instanceof TristageError && error.code === code;

/** An install that has files by the right names but no libtorch in them. */
function emptyInstall(): TorchInstall {
  for (const name of ['libtorch_cpu.so', 'libc10.so']) writeFileSync(join(folder, name), '');
  mkdirSync(join(folder, 'ATen'), { recursive: true });
  writeFileSync(join(folder, 'ATen/Parallel.h'), '#error these are not the headers of torch');
  return { source: 'dir', dir: folder, libDir: folder, includeDirs: [folder], version: '2.9.0', cxx11Abi: true };
}

async function withEnvironment(name: string, value: string, f: () => Promise<void>): Promise<void> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    await f();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

/** Loads an addon in a process of its own and returns the code of the error, or the version it reports. */
async function loadElsewhere(path: string): Promise<string> {
  const binding = new URL('../../../lib/engine/torch/binding.ts', import.meta.url).href;
  const script = `
    import { loadBinding, runtimeVersion } from ${JSON.stringify(binding)};
    try { console.log(runtimeVersion(loadBinding(${JSON.stringify(path)}))); } catch (error) { console.log(error.code); }
    try { loadBinding(${JSON.stringify(`${path}.other`)}); } catch (error) { console.log(error.code); }
  `;
  const file = join(folder, 'load.mts');
  writeFileSync(file, script);
  const { status, stdout, stderr } = await runCommand(process.execPath, ['--import', 'tsx', file]);
  assert.equal(status, 0, stderr);
  return stdout.trim().split('\n').join(' ');
}

describe('building the torch addon', () => {
  test('without a compiler the error names the command that installs one', async () => {
    await withEnvironment('CXX', '/nowhere/g++', async () => {
      await assert.rejects(
        buildAddon(emptyInstall(), () => undefined),
        (error) => coded('E_COMPILER')(error) && /apt-get install g\+\+/.test((error as TristageError).fix!),
      );
    });
  });

  test('a compilation that fails is an error with the message of the compiler', { skip }, async () => {
    await withEnvironment('TRISTAGE_CACHE_DIR', join(folder, 'cache'), async () => {
      await assert.rejects(
        buildAddon(emptyInstall(), () => undefined),
        (error) => coded('E_BUILD')(error) && /not the headers of torch/.test((error as TristageError).found!),
      );
    });
  });

  test('a second build finds the first one', { skip }, async () => {
    const { addonPath } = await readyTorch();
    assert.deepEqual(await buildAddon(found!, () => undefined), { path: addonPath, built: false });
  });

  test('using the engine before it is open is an error', () => {
    assert.throws(native, coded('E_ENGINE_CLOSED'));
  });
});

describe('loading the torch addon', { skip }, () => {
  /** A copy of the built addon with another record. */
  async function copyWithVersion(version: string): Promise<string> {
    const { addonPath } = await readyTorch();
    const path = join(folder, version, 'addon.node');
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(addonPath, path);
    const record = JSON.parse(readFileSync(join(dirname(addonPath), RECORD_NAME), 'utf8')) as object;
    writeFileSync(join(dirname(path), RECORD_NAME), JSON.stringify({ ...record, torchVersion: version }));
    return path;
  }

  test('the right library loads once; a second one is refused', async () => {
    const [major, minor] = found!.version.split('.');
    const result = await loadElsewhere(await copyWithVersion(`${major}.${minor}.99`));
    assert.match(result, new RegExp(`^${major}\\.${minor}\\S* E_TORCH_TWICE$`));
  });

  test('an addon that was built for another version of torch is refused', async () => {
    assert.equal(await loadElsewhere(await copyWithVersion('9.9.0')), 'E_TORCH_ABI E_TORCH_TWICE');
  });

  test('a library that lacks a symbol, and a file that is no library, are refused', async () => {
    const source = join(folder, 'lacking.cpp');
    const path = join(folder, 'lacking.node');
    writeFileSync(source, 'void symbol_of_another_torch(); void use() { symbol_of_another_torch(); }');
    const linked = await runCommand(compiler!.path, ['-shared', '-fPIC', '-Wl,-z,now', source, '-o', path]);
    assert.equal(linked.status, 0, linked.stderr);
    writeFileSync(join(folder, RECORD_NAME), JSON.stringify({ torchVersion: '1.0.0' }));
    assert.match(await loadElsewhere(path), /^E_TORCH_ABI/);
    writeFileSync(path, 'no library');
    assert.match(await loadElsewhere(path), /^E_TORCH_LOAD/);
  });
});
