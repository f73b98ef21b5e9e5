import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { type FeatureStoreOptions, openFeatureStore } from '../../../../lib/data/feature-store/store.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

/** Of coreutils. */
const MAKE_PIPE = 'mkfifo';
const VALUES = 100;
/** Header and values. */
const BYTES = 56 + 4 * VALUES;

const folder = () => temporaryFolder('tristage-features-');

function open(dir: string, over: Partial<FeatureStoreOptions> = {}) {
  return openFeatureStore({ dir, namespace: 'tower', values: VALUES, dtype: 'float32', maxBytes: 1e9, ...over });
}

const valuesOf = (seed: number): Float32Array =>
  Float32Array.from({ length: VALUES }, (_, i) => Math.sin(seed * 1000 + i));

/** Stores entries of these seeds and closes the store. */
async function filled(dir: string, seeds: readonly number[], over: Partial<FeatureStoreOptions> = {}): Promise<void> {
  const store = await open(dir, over);
  for (const seed of seeds) await store.put(`image ${seed}`, valuesOf(seed));
  await store.close();
}

function files(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Which of the seeds a newly opened store finds. */
async function found(dir: string, seeds: readonly number[], over: Partial<FeatureStoreOptions> = {}) {
  const store = await open(dir, over);
  const there: number[] = [];
  for (const seed of seeds) {
    const values = await store.get(`image ${seed}`);
    if (values === undefined) continue;
    assert.deepEqual(values, valuesOf(seed));
    there.push(seed);
  }
  return { there, counts: store.counts() };
}

test('what is stored comes back to the bit, at once and in another process', async () => {
  const dir = folder();
  const store = await open(dir);
  assert.equal(await store.get('image 1'), undefined);
  await store.put('image 1', valuesOf(1));
  assert.deepEqual(await store.get('image 1'), valuesOf(1));
  await store.close();
  assert.deepEqual(await found(dir, [1, 2]), { there: [1], counts: { corrupt: 0, evicted: 0, unstored: 0 } });
  assert.deepEqual(
    files(dir).map((path) => statSync(path).size),
    [BYTES],
  );
});

test('bf16 takes half the space and gives the same rounded values before and after it was stored', async () => {
  const dir = folder();
  const store = await open(dir, { dtype: 'bf16' });
  const rounded = await store.put('image 1', valuesOf(1));
  await store.close();
  assert.notDeepEqual(rounded, valuesOf(1));
  assert.ok(rounded.every((value, i) => Math.abs(value - valuesOf(1)[i]!) <= Math.abs(value) * 2 ** -8));
  assert.deepEqual(await (await open(dir, { dtype: 'bf16' })).get('image 1'), rounded);
  assert.deepEqual(
    files(dir).map((path) => statSync(path).size),
    [56 + 2 * VALUES],
  );
});

test('entries of other weights or of another number format are not found', async () => {
  const dir = folder();
  await filled(dir, [1]);
  assert.deepEqual((await found(dir, [1], { namespace: 'another tower' })).there, []);
  // The name is the same; the header says what it is.
  const other = await open(dir, { dtype: 'bf16' });
  assert.equal(await other.get('image 1'), undefined);
  assert.equal(other.counts().corrupt, 1);
});

/** Ways to damage an entry. */
const DAMAGES: Readonly<Record<string, (path: string, bytes: Buffer) => void>> = {
  ...Object.fromEntries(
    [0, 7, 8, 11, 12, 15, 16, 19, 23, 24, 55, 56, 57, BYTES - 1].map((at) => [
      `byte ${at} changed`,
      (path: string, bytes: Buffer) => {
        bytes[at] = bytes[at]! ^ 0x40;
        writeFileSync(path, bytes);
      },
    ]),
  ),
  ...Object.fromEntries(
    [0, 1, 12, 55, 56, 57, BYTES - 1].map((size) => [
      `cut to ${size} bytes`,
      (path: string, bytes: Buffer) => writeFileSync(path, bytes.subarray(0, size)),
    ]),
  ),
  'a byte too many': (path, bytes) => writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(1)])),
  'a size of 2^53 values': (path, bytes) => {
    bytes.writeBigUInt64LE(2n ** 53n, 16);
    writeFileSync(path, bytes);
  },
  'a file of another image': (path) => {
    const other = files(join(path, '../..')).find((one) => one !== path)!;
    writeFileSync(path, readFileSync(other));
  },
  'an endless file': (path) => {
    rmSync(path);
    symlinkSync('/dev/zero', path);
  },
  'a pipe': (path) => {
    rmSync(path);
    execFileSync(MAKE_PIPE, [path]);
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`a damaged entry is refused, counted and made anew: ${name}`, async () => {
    const dir = folder();
    await filled(dir, [1]);
    const [path] = files(dir) as [string];
    await filled(dir, [2]);
    damage(path, readFileSync(path));
    const store = await open(dir);
    assert.equal(await store.get('image 1'), undefined);
    assert.equal(store.counts().corrupt, 1);
    await store.put('image 1', valuesOf(1));
    await store.close();
    assert.deepEqual(await found(dir, [1, 2]), { there: [1, 2], counts: { corrupt: 0, evicted: 0, unstored: 0 } });
  });
}

test('a folder in the place of an entry is refused too, and training goes on without storing', async () => {
  const dir = folder();
  await filled(dir, [1]);
  const [path] = files(dir) as [string];
  rmSync(path);
  mkdirSync(path);
  const warnings: string[] = [];
  const store = await open(dir, { warn: (line) => warnings.push(line) });
  assert.equal(await store.get('image 1'), undefined);
  assert.deepEqual(await store.put('image 1', valuesOf(1)), valuesOf(1));
  await store.close();
  assert.deepEqual(store.counts(), { corrupt: 1, evicted: 0, unstored: 1 });
  assert.equal(warnings.length, 1);
});

/** Dates the entries of a folder, the first seed the oldest, so that none counts as used by this process. */
async function dated(dir: string, seeds: readonly number[], over: Partial<FeatureStoreOptions> = {}): Promise<void> {
  for (const [age, seed] of seeds.entries()) {
    const before = new Set(files(dir));
    await filled(dir, [seed], over);
    for (const path of files(dir)) if (!before.has(path)) utimesSync(path, 1e9 + age, 1e9 + age);
  }
}

test('a full cache stays within its bytes: what was not used for longest goes, of other weights too', async () => {
  const dir = folder();
  await dated(dir, [9], { namespace: 'old tower' });
  await dated(dir, [1, 2, 3]);
  const maxBytes = 4 * BYTES;
  const store = await open(dir, { maxBytes });
  assert.deepEqual(await store.get('image 1'), valuesOf(1));
  await store.put('image 4', valuesOf(4));
  await store.put('image 5', valuesOf(5));
  await store.close();
  assert.equal(store.counts().evicted, 2);
  assert.ok(files(dir).reduce((sum, path) => sum + statSync(path).size, 0) <= maxBytes);
  assert.deepEqual((await found(dir, [9], { namespace: 'old tower' })).there, []);
  assert.deepEqual((await found(dir, [1, 2, 3, 4, 5])).there, [1, 3, 4, 5]);
});

test('an entry that a wrong clock dated far ahead gives way like an old one', async () => {
  const dir = folder();
  await filled(dir, [1]);
  utimesSync(files(dir)[0]!, 4e9, 4e9);
  await filled(dir, [2], { maxBytes: BYTES });
  assert.deepEqual((await found(dir, [1, 2])).there, [2]);
});

test('what this run has used never gives way: entries beyond the room are counted and not stored', async () => {
  const dir = folder();
  const store = await open(dir, { maxBytes: 3 * BYTES });
  for (const seed of [1, 2, 3, 4, 5]) await store.put(`image ${seed}`, valuesOf(seed));
  await store.close();
  assert.deepEqual(store.counts(), { corrupt: 0, evicted: 0, unstored: 2 });
  assert.deepEqual((await found(dir, [1, 2, 3, 4, 5])).there, [1, 2, 3]);
  const tooSmall = await open(folder(), { maxBytes: BYTES - 1 });
  await tooSmall.put('image 1', valuesOf(1));
  await tooSmall.close();
  assert.equal(tooSmall.counts().unstored, 1);
});

test('files of others stay; what a killed process left half-written goes after an hour', async () => {
  const dir = folder();
  await filled(dir, [1]);
  const [path] = files(dir) as [string];
  const left = join(path, `../.tmp-0123456789ab-${basename(path)}`);
  const fresh = join(path, `../.tmp-0123456789ac-${basename(path)}`);
  const foreign = [join(dir, 'notes.txt'), join(path, '../notes.txt')];
  for (const one of [left, fresh, ...foreign]) writeFileSync(one, 'x'.repeat(10 * BYTES));
  utimesSync(left, 1e9, 1e9);
  utimesSync(path, 1e9, 1e9);
  await filled(dir, [2], { maxBytes: 11 * BYTES });
  assert.equal(existsSync(left), false);
  assert.ok([fresh, ...foreign].every((one) => existsSync(one)));
  assert.deepEqual((await found(dir, [1, 2])).there, [2]);
});

test('a folder that cannot be made is an error of the configuration', async () => {
  const file = join(folder(), 'file');
  writeFileSync(file, '');
  await assert.rejects(open(join(file, 'features')), { code: 'E_FEATURE_CACHE', kind: 'config' });
});
