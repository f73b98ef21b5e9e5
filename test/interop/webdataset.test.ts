/**
 * Shards of Python's webdataset read by us, and ours by it. The first part reads shards that make_webdataset.py wrote; for the second every
 * python3 of the machine is asked for webdataset, after the one that TRISTAGE_TEST_PYTHON names:
 *   python3 -m venv VENV && VENV/bin/pip install webdataset pillow
 *   TRISTAGE_TEST_PYTHON=VENV/bin/python node --import tsx --test test/interop/webdataset.test.ts
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { jsonl } from '../../datasets/jsonl.ts';
import { sha256 } from '../../lib/core/hash.ts';
import { readImageSize } from '../../lib/data/image-bytes.ts';
import type { EncodedImage } from '../../lib/data/sample.ts';
import { everyPython, runCommand } from '../../lib/engine/toolchain.ts';
import { indexTar, readTarMember } from '../../lib/formats/tar.ts';
import { plainTar } from '../../lib/formats/tar-gzip.ts';
import { openShard } from '../../lib/formats/tar-samples.ts';
import { makeJsonl } from '../data/make/jsonl.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { pack, readBack } from '../unit/data/shards/packed.ts';
import { samplesOf } from '../unit/datasets/open-source.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures/webdataset');

type Members = Record<string, Record<string, string>>;

const cacheBefore = process.env['TRISTAGE_CACHE_DIR'];
before(() => {
  // Where the compressed shard is unpacked.
  process.env['TRISTAGE_CACHE_DIR'] = temporaryFolder('tristage-interop-wds-');
});
after(() => {
  if (cacheBefore === undefined) delete process.env['TRISTAGE_CACHE_DIR'];
  else process.env['TRISTAGE_CACHE_DIR'] = cacheBefore;
});

/** Holds that the shards in a folder of make_webdataset.py are read as Python reads them. */
async function checkShards(folder: string): Promise<void> {
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Members;
  assert.equal(Object.keys(expected).length, 4);
  for (const [name, members] of Object.entries(expected)) {
    const path = await plainTar(join(folder, name));
    const found: [string, string][] = [];
    for (const member of await indexTar(path)) found.push([member.name, sha256(await readTarMember(path, member))]);
    assert.deepEqual(found, Object.entries(members), name);
  }
}

const ANSWERS = [
  ['plain', 'caption', 'A ramp of colours.', [16, 12]],
  ['folder/one', 'vqa', 'a ramp', [16, 12]],
  ['v1.5/two', 'refer', '{<0><0><50><100>}', [16, 12]],
  ['three', 'caption', 'Ein Verlauf: größer → heller.', [16, 12]],
  ['vier-äöü:1', 'vqa', 'a ramp', [16, 12]],
  ['vier-äöü:2', 'caption', 'the same again', [16, 12]],
  ['six', 'text', '4', undefined],
];

async function checkSamples(root: string): Promise<void> {
  const found: unknown[] = [];
  for (const { id, task, turns, image } of await samplesOf(await readBack(root))) {
    const size = image === undefined ? undefined : Object.values(await readImageSize(image as EncodedImage));
    const key = id.replace(/^[^/]*\//, '').replace(/^a rather long folder.*\//, '');
    found.push([key, task, turns[0]?.answer, size]);
  }
  assert.deepEqual(found, ANSWERS);
}

describe('shards that Python’s webdataset wrote', () => {
  test('members of all formats, long and foreign names and compressed ones among them, are those that Python finds', () =>
    checkShards(FIXTURES));

  for (const root of ['pax-{000000..000001}.tar', 'gnu.tar', 'packed.tar.gz']) {
    test(`${root} gives its captions, records, lists and texts`, () => checkSamples(join(FIXTURES, root)));
  }

  test('parts of a sample are told apart by what follows the first dot', async () => {
    const shard = await openShard(join(FIXTURES, 'gnu.tar'));
    const sample = shard.samples.find(({ key }) => key === 'v1.5/two');
    assert.ok(sample?.member('seg.png') !== undefined && sample.member('png') === undefined);
    await shard.close();
  });
});

async function findWebdataset(): Promise<string | undefined> {
  const own = process.env['TRISTAGE_TEST_PYTHON'];
  for (const python of [...(own === undefined ? [] : [own]), ...everyPython()]) {
    const { status } = await runCommand(python, ['-c', 'import webdataset, PIL.Image']);
    if (status === 0) return python;
  }
  return undefined;
}

const python = await findWebdataset();
const skip = python === undefined ? 'no python3 here has webdataset and pillow' : false;

async function asked(script: string, argument: string): Promise<string> {
  const path = join(import.meta.dirname, script);
  const { status, stdout, stderr } = await runCommand(python as string, [path, argument]);
  assert.equal(status, 0, stderr);
  return stdout;
}

interface PythonSample {
  key: string;
  shard: string;
  parts: Record<string, string>;
  sizes: [number, number][];
  record: unknown;
}

describe('Python’s webdataset', { skip }, () => {
  test('reads what data pack writes: keys, parts, images and records', async () => {
    const root = temporaryFolder('tristage-interop-wds-');
    await makeJsonl(root);
    const { folder } = await pack(await jsonl.open({ root }), { limit: { samples: 1 } });
    const printed = await asked('read_webdataset.py', join(folder, 'shard-{00000..00002}.tar'));
    const found = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as PythonSample);
    const expected: PythonSample[] = [];
    for (const name of readdirSync(folder)
      .filter((file) => file.endsWith('.tar'))
      .sort()) {
      const shard = await openShard(join(folder, name));
      for (const sample of shard.samples) {
        const [jpg, json] = [await sample.read('jpg'), (await sample.read('json')) as Uint8Array];
        expected.push({
          key: sample.key,
          shard: name,
          parts: { ...(jpg === undefined ? {} : { jpg: sha256(jpg) }), json: sha256(json) },
          sizes: jpg === undefined ? [] : [[200, 100]],
          record: JSON.parse(Buffer.from(json).toString()),
        });
      }
      await shard.close();
    }
    assert.equal(expected.length, 3);
    assert.deepEqual(found, expected);
  });

  test('writes today what the fixtures hold', async () => {
    const folder = temporaryFolder('tristage-interop-wds-');
    await asked('make_webdataset.py', folder);
    await checkShards(folder);
    await checkSamples(join(folder, 'pax-{000000..000001}.tar'));
  });
});
