/** Setting up TensorFlow: which folders serve as a library, what a wheel's metadata asks for, and the errors. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { addonFor } from '../../../lib/engine/tensorflow/build.ts';
import { cudaRequirements } from '../../../lib/engine/tensorflow/fetch.ts';
import { openTensorflow } from '../../../lib/engine/tensorflow/index.ts';
import { cachedTensorflow, locateTensorflow, missingParts } from '../../../lib/engine/tensorflow/locate.ts';

const root = mkdtempSync(join(tmpdir(), 'tristage-test-'));
after(() => rmSync(root, { recursive: true, force: true }));
let cache = '';
beforeEach(() => {
  cache = mkdtempSync(join(root, 'cache-'));
  process.env['TRISTAGE_CACHE_DIR'] = cache;
  delete process.env['TRISTAGE_TENSORFLOW_DIR'];
});

const PARTS = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2', 'include/tensorflow/c/eager/c_api.h'];

/** A folder with the given files, empty. */
function folderWith(folder: string, files: readonly string[]): string {
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
}

const hasCode = (code: string) => (error: unknown) => error instanceof TristageError && error.code === code;

describe('finding TensorFlow', () => {
  test('a folder without a library or headers is incomplete, and says what is missing', () => {
    assert.deepEqual(missingParts(folderWith(join(root, 'whole'), PARTS)), []);
    assert.deepEqual(missingParts(folderWith(join(root, 'half'), PARTS.slice(1))), [PARTS[0]]);
  });

  test('TRISTAGE_TENSORFLOW_DIR may name the folder tensorflow or the one above it', async () => {
    const above = join(root, 'site-packages');
    const dir = folderWith(join(above, 'tensorflow'), PARTS);
    for (const named of [dir, above]) {
      process.env['TRISTAGE_TENSORFLOW_DIR'] = named;
      assert.deepEqual(await locateTensorflow('tensorflow-cpu'), { dir, source: 'TRISTAGE_TENSORFLOW_DIR' });
    }
  });

  test('a TRISTAGE_TENSORFLOW_DIR that holds no library is an error, not a reason to look elsewhere', async () => {
    process.env['TRISTAGE_TENSORFLOW_DIR'] = root;
    await assert.rejects(locateTensorflow('tensorflow-cpu'), (error) => {
      assert.ok(hasCode('E_TENSORFLOW_DIR')(error));
      assert.match((error as TristageError).found ?? '', /libtensorflow_cc\.so\.2/);
      return true;
    });
  });

  test('the cache gives the newest complete version of the wanted wheel', () => {
    const at = (name: string, files: readonly string[]) =>
      folderWith(join(cache, 'tensorflow', name, 'tensorflow'), files);
    at('tensorflow-cpu-2.9.0', PARTS);
    const newest = at('tensorflow-cpu-2.21.0', PARTS);
    at('tensorflow-cpu-2.22.0', PARTS.slice(1));
    at('other-3.0.0', PARTS);
    assert.deepEqual(cachedTensorflow('tensorflow-cpu'), { dir: newest, source: 'cache' });
    assert.equal(cachedTensorflow('absent'), undefined);
  });

  test('an engine that is not set up is E_ENGINE_MISSING with the command that sets it up', async () => {
    await assert.rejects(openTensorflow({ device: 'cpu' }), (error) => {
      assert.ok(hasCode('E_ENGINE_MISSING')(error));
      assert.match((error as TristageError).fix ?? '', /tristage setup --engine tensorflow/);
      return true;
    });
  });

  test('a library without an addon built for it is E_ENGINE_MISSING', async () => {
    process.env['TRISTAGE_TENSORFLOW_DIR'] = folderWith(join(root, 'unbuilt'), PARTS);
    await assert.rejects(openTensorflow({ device: 'cpu' }), hasCode('E_ENGINE_MISSING'));
  });
});

describe('building for TensorFlow', () => {
  test('each library folder has an addon of its own in the cache', () => {
    const [a, again, b] = ['/one/tensorflow', '/one/tensorflow', '/other/tensorflow'].map(addonFor);
    assert.deepEqual(a, again);
    assert.notEqual(a!.binding, b!.binding);
    assert.ok(a!.binding.startsWith(join(cache, 'tensorflow')));
  });

  test('an addon that cannot be loaded is E_ENGINE_LOAD with the reason', async () => {
    const dir = folderWith(join(root, 'corrupt'), PARTS);
    process.env['TRISTAGE_TENSORFLOW_DIR'] = dir;
    const { binding, guard } = addonFor(dir);
    mkdirSync(dirname(binding), { recursive: true });
    for (const path of [binding, guard]) writeFileSync(path, 'not a shared library');
    await assert.rejects(openTensorflow({ device: 'cpu' }), hasCode('E_ENGINE_LOAD'));
  });
});

describe('what a CUDA wheel needs', () => {
  test('the libraries of the extra and-cuda, without the compiler', () => {
    const metadata = [
      'Name: tensorflow',
      'Requires-Dist: numpy>=1.26.0',
      'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
      'Requires-Dist: nvidia-cuda-nvcc-cu12<13.0,>=12.5.82; extra == "and-cuda"',
      "Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75 ; extra == 'and-cuda'",
      'Requires-Dist: something; extra == "gcs"',
    ].join('\n');
    assert.deepEqual(cudaRequirements(metadata), [
      'nvidia-cublas-cu12<13.0,>=12.5.3.2',
      'nvidia-cudnn-cu12<10.0,>=9.3.0.75',
    ]);
  });
});
