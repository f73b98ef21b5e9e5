/** Where a libtorch is looked for, and what is said when it is not there. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { findPip, runCommand } from '../../../lib/engine/toolchain.ts';
import { torchAdvice } from '../../../lib/engine/torch/advice.ts';
import { fetchTorchWheel } from '../../../lib/engine/torch/fetch.ts';
import { findTorch, requestedSource, wheelDir } from '../../../lib/engine/torch/find.ts';

const NAMES = ['TRISTAGE_TORCH_SOURCE', 'TRISTAGE_TORCH_DIR', 'TRISTAGE_CACHE_DIR', 'PIP_NO_INDEX', 'PIP_FIND_LINKS'];
const saved = NAMES.map((name) => process.env[name]);
let folder = '';

const coded = (code: string) => (error: unknown) => error instanceof TristageError && error.code === code;

function write(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}

/** A folder that looks like site-packages/torch. */
function fakeTorch(dir: string, options: { version: [number, number, number]; symbol: string }): void {
  const [major, minor, patch] = options.version;
  write(join(dir, 'lib/libtorch_cpu.so'), 'library');
  write(join(dir, 'lib/libc10.so'), `... ${options.symbol} ...`);
  write(join(dir, 'include/ATen/core/dispatch/Dispatcher.h'), '');
  write(
    join(dir, 'include/torch/csrc/api/include/torch/version.h'),
    `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`,
  );
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tristage-find-'));
  for (const name of NAMES) delete process.env[name];
  process.env['TRISTAGE_CACHE_DIR'] = join(folder, 'cache');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  NAMES.forEach((name, i) => {
    if (saved[i] === undefined) delete process.env[name];
    else process.env[name] = saved[i];
  });
});

describe('finding libtorch', () => {
  test('the source is auto unless TRISTAGE_TORCH_SOURCE names one, and an unknown word is refused', () => {
    assert.equal(requestedSource(), 'auto');
    process.env['TRISTAGE_TORCH_SOURCE'] = 'debian';
    assert.equal(requestedSource(), 'debian');
    process.env['TRISTAGE_TORCH_SOURCE'] = 'conda';
    assert.throws(requestedSource, coded('E_TORCH_SOURCE'));
  });

  test('TRISTAGE_TORCH_DIR goes before everything else; version and C++ ABI are read from its files', async () => {
    const dir = join(folder, 'torch');
    process.env['TRISTAGE_TORCH_DIR'] = dir;
    fakeTorch(dir, { version: [2, 1, 3], symbol: '_ZN3c106detail14torchCheckFailEPKcS2_jRKSs' });
    const { found } = await findTorch('auto');
    assert.deepEqual([found?.source, found?.version, found?.cxx11Abi], ['dir', '2.1.3', false]);
    const current = '_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_string';
    fakeTorch(dir, { version: [2, 9, 0], symbol: current });
    assert.deepEqual((await findTorch('dir')).found?.cxx11Abi, true);
  });

  test('a TRISTAGE_TORCH_DIR without libtorch is an error, not a reason to take another', async () => {
    process.env['TRISTAGE_TORCH_DIR'] = folder;
    await assert.rejects(findTorch('auto'), coded('E_TORCH_DIR'));
    fakeTorch(folder, { version: [2, 1, 0], symbol: '' });
    rmSync(join(folder, 'include'), { recursive: true });
    await assert.rejects(
      findTorch('auto'),
      (error) => coded('E_TORCH_DIR')(error) && /headers/.test(String((error as TristageError).found)),
    );
  });

  test('a source that is not there says where it was looked for', async () => {
    const { found, rejected } = await findTorch('pip');
    assert.equal(found, undefined);
    assert.match(rejected.join(), /^pip: no .*wheel\/torch\/lib\/libtorch_cpu\.so$/);
  });
});

describe('fetching the wheel', async () => {
  const pip = await findPip();
  const skip = pip === undefined ? 'no python3 with pip' : false;

  /** Makes a wheel with these members. */
  async function makeWheel(name: string, version: string, members: Record<string, string>): Promise<void> {
    const info = `${name}-${version}.dist-info`;
    const all = {
      ...members,
      [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name.replaceAll('_', '-')}\nVersion: ${version}\n`,
      [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
      [`${info}/RECORD`]: '',
    };
    const script = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for name, text in json.loads(sys.argv[2]).items():
        archive.writestr(name, text)
`;
    mkdirSync(join(folder, 'links'), { recursive: true });
    const path = join(folder, 'links', `${name}-${version}-py3-none-any.whl`);
    const { status, stderr } = await runCommand(pip!.python, ['-c', script, path, JSON.stringify(all)]);
    assert.equal(status, 0, stderr);
  }

  test('keeps what C++ on the CPU needs and adds the CUDA libraries that libtorch is linked with', {
    skip,
  }, async () => {
    await makeWheel('torch', '2.9.0', {
      'torch/lib/libtorch_cpu.so': 'x\0libcudart.so.13\0libcudart.so.13\0x',
      'torch/lib/libtorch_cuda.so': 'large',
      'torch/lib/libtorch_python.so': 'python',
      'torch/include/ATen/ATen.h': '',
      'torch/nn/module.py': '',
    });
    await makeWheel('nvidia_cuda_runtime', '13.1', { 'nvidia/cu13/lib/libcudart.so.13': 'cudart', 'nvidia/doc': '' });
    process.env['PIP_NO_INDEX'] = '1';
    process.env['PIP_FIND_LINKS'] = join(folder, 'links');
    const lines: string[] = [];
    await fetchTorchWheel({ cuda: false, log: (line) => lines.push(line) });
    const has = (name: string) => existsSync(join(wheelDir(), name));
    assert.deepEqual(
      ['torch/lib/libtorch_cpu.so', 'torch/include/ATen/ATen.h', 'nvidia/cu13/lib/libcudart.so.13'].map(has),
      [true, true, true],
    );
    const absent = ['torch/lib/libtorch_cuda.so', 'torch/lib/libtorch_python.so', 'torch/nn', 'nvidia/doc', 'wheels'];
    assert.deepEqual(
      absent.map(has),
      absent.map(() => false),
    );
    assert.equal(lines.length, 2);
    await fetchTorchWheel({ cuda: false, log: (line) => lines.push(line) });
    assert.equal(lines.length, 2, 'nothing is fetched twice');
  });

  test('a download that fails says so and leaves nothing behind', { skip }, async () => {
    process.env['PIP_NO_INDEX'] = '1';
    await assert.rejects(fetchTorchWheel({ cuda: false, log: () => undefined }), coded('E_PIP_DOWNLOAD'));
    assert.equal(existsSync(wheelDir()), false);
  });
});

describe('advice on the BLAS of Debian', () => {
  /** Debian's library folder in which the alternative points to one variant. */
  function debian(variant: string | undefined, others: string[] = []): { libDir: string } {
    const libDir = join(folder, 'usr/lib/x86_64-linux-gnu');
    for (const name of [...others, ...(variant === undefined ? [] : [variant])]) {
      write(join(libDir, name, 'libblas.so.3'), '');
    }
    if (variant !== undefined) symlinkSync(join(libDir, variant, 'libblas.so.3'), join(libDir, 'libblas.so.3'));
    return { libDir };
  }

  test('OpenBLAS with OpenMP is right, and a wheel brings its own BLAS', () => {
    assert.deepEqual(torchAdvice(debian('openblas-openmp')), []);
    assert.deepEqual(torchAdvice({ libDir: join(folder, 'site-packages/torch/lib') }), []);
  });

  test('both variants installed: the pthread one that won is to be switched', () => {
    const [advice] = torchAdvice(debian('openblas-pthread', ['openblas-openmp']));
    assert.match(advice!.cure, /update-alternatives --set libblas\.so\.3-x86_64-linux-gnu/);
  });

  test('only pthread, only serial, plain BLAS, none: each has its cure', () => {
    for (const variant of ['openblas-pthread', 'openblas-serial', 'blas', undefined]) {
      const [advice] = torchAdvice(debian(variant));
      assert.match(advice!.cure, /apt-get install libopenblas0-openmp/, variant);
      rmSync(join(folder, 'usr'), { recursive: true, force: true });
    }
  });
});
