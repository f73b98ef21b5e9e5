import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { expandBraces } from '../../../lib/formats/braces.ts';
import { plainTar } from '../../../lib/formats/tar-gzip.ts';
import { groupTarMembers, listShards, openShard } from '../../../lib/formats/tar-samples.ts';
import { writeTar } from '../../../lib/formats/tar-writer.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-shards-'));
  for (const shard of [0, 1, 2]) {
    // The middle shard is empty: an index must step over it.
    const keys = shard === 1 ? [] : [0, 1, 2].map((place) => `${shard}000${place}`);
    const entries = keys.flatMap((key) => [
      { name: `${key}.jpg`, content: `image ${key}` },
      { name: `${key}.JSON`, content: `{"key":"${key}"}` },
    ]);
    await writeTar(join(folder, `0000${shard}.tar`), [...entries, { name: 'README', content: 'hello' }]);
  }
  await writeFile(join(folder, '00000_stats.json'), '{}');
});
after(() => rm(folder, { recursive: true, force: true }));

const named = (...names: string[]) => names.map((name) => ({ name, offset: 0, size: 0 }));

describe('samples of tars', () => {
  test('neighbours that share the name up to the first dot of its last part are one sample', () => {
    const { samples, loose } = groupTarMembers(
      named(
        'a.b/x.jpg',
        'a.b/x.seg.png',
        'a.b/y.jpg',
        'x.jpg',
        'nodot',
        '.hidden',
        'd/.hidden.txt',
        '__meta__',
        '__about__/a.txt',
      ),
      'p',
    );
    assert.deepEqual(
      samples.map(({ key, members }) => [key, ...members.keys()]),
      [
        ['a.b/x', 'jpg', 'seg.png'],
        ['a.b/y', 'jpg'],
        ['x', 'jpg'],
      ],
    );
    assert.deepEqual(
      loose.map(({ name }) => name),
      ['nodot', '.hidden', 'd/.hidden.txt', '__meta__', '__about__/a.txt'],
    );
  });

  test('scattered members of a key and a repeated extension are refused', () => {
    assert.throws(() => groupTarMembers(named('a.jpg', 'b.jpg', 'a.json'), 'p'), { code: 'E_TAR_SAMPLE' });
    assert.throws(() => groupTarMembers(named('a.jpg', 'a.JPG'), 'p'), { code: 'E_TAR_SAMPLE' });
  });

  test('brace patterns keep their width and multiply', () => {
    assert.deepEqual(expandBraces('s/{008..011}.tar'), ['s/008.tar', 's/009.tar', 's/010.tar', 's/011.tar']);
    assert.deepEqual(expandBraces('{9..10}'), ['9', '10']);
    assert.deepEqual(expandBraces('{a,b}/{0..1}.tar'), ['a/0.tar', 'a/1.tar', 'b/0.tar', 'b/1.tar']);
    assert.deepEqual(expandBraces('{00..10..5}'), ['00', '05', '10']);
    assert.deepEqual(expandBraces('{a{0..1},b,{c,d}e}.tar'), ['a0.tar', 'a1.tar', 'b.tar', 'ce.tar', 'de.tar']);
    assert.deepEqual(expandBraces('x{,-{1,2}}'), ['x', 'x-1', 'x-2']);
    assert.equal(expandBraces('shard-{00000..00099}.tar').length, 100);
    for (const bad of [
      '{0..',
      '{3..1}',
      '{}',
      '{x}',
      '{0..99999999}',
      '{0..999}{0..9999}',
      '{{0..1}}',
      '{a,{0..1}',
      '{0..5..0}',
      '{'.repeat(99),
    ]) {
      assert.throws(() => expandBraces(bad), { code: 'E_SHARDS', kind: 'data' }, bad);
    }
  });

  test('a folder and a pattern name the same shards in the same order', async () => {
    const names = ['00000.tar', '00001.tar', '00002.tar'].map((name) => join(folder, name));
    assert.deepEqual(await listShards(folder), names);
    assert.deepEqual(await listShards(join(folder, '{00000..00002}.tar')), names);
    const bare = await mkdtemp(join(folder, 'bare-'));
    for (const root of [bare, join(folder, 'absent')]) {
      await assert.rejects(listShards(root), { code: 'E_SHARDS', kind: 'data', where: root });
    }
  });

  test('the members of a shard are read at any place while it is open', async () => {
    const shard = await openShard(join(folder, '00002.tar'));
    assert.deepEqual(
      shard.samples.map(({ key }) => key),
      ['20000', '20001', '20002'],
    );
    assert.deepEqual(
      shard.loose.map(({ name }) => name),
      ['README'],
    );
    const sample = shard.samples[1]!;
    assert.equal(Buffer.from((await sample.read('json'))!).toString(), '{"key":"20001"}');
    assert.equal(Buffer.from((await sample.read('jpg'))!).toString(), 'image 20001');
    assert.equal(await sample.read('txt'), undefined);
    assert.equal(sample.nameOf('json'), join(folder, '00002.tar/20001.JSON'));
    const { offset, size } = sample.member('jpg')!;
    const bytes = await readFile(join(folder, '00002.tar'));
    assert.equal(bytes.toString('utf8', offset, offset + size), 'image 20001');
    await shard.close();
    assert.equal((await openShard(join(folder, '00001.tar')).then(closed)).samples.length, 0);
  });

  test('a missing shard is a data error that names the place', async () => {
    const path = join(folder, '00003.tar');
    await assert.rejects(openShard(path), { code: 'E_FILE_READ', kind: 'data', where: path });
  });
});

async function closed<T extends { close(): Promise<void> }>(shard: T): Promise<T> {
  await shard.close();
  return shard;
}

describe('compressed shards', () => {
  const cacheBefore = process.env['TRISTAGE_CACHE_DIR'];
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(folder, 'gzip-'));
    process.env['TRISTAGE_CACHE_DIR'] = join(root, 'cache');
  });
  afterEach(() => {
    if (cacheBefore === undefined) delete process.env['TRISTAGE_CACHE_DIR'];
    else process.env['TRISTAGE_CACHE_DIR'] = cacheBefore;
  });

  test('one is unpacked once, by content, and then read at any place', async () => {
    const bytes = gzipSync(await readFile(join(folder, '00000.tar')));
    for (const name of ['a.tar.gz', 'b.tgz']) await writeFile(join(root, name), bytes);
    assert.deepEqual(await listShards(root), [join(root, 'a.tar.gz'), join(root, 'b.tgz')]);
    const shard = await openShard(join(root, 'a.tar.gz')).then(closed);
    assert.equal(shard.samples.length, 3);
    assert.equal(shard.samples[0]!.nameOf('jpg'), join(root, 'a.tar.gz/00000.jpg'));
    assert.equal(await plainTar(join(root, 'b.tgz')), await plainTar(join(root, 'a.tar.gz')));
    const kept = await readdir(join(root, 'cache/shards'));
    assert.equal(kept.length, 1);
    const plain = await readFile(join(root, 'cache/shards', kept[0]!));
    assert.ok(plain.equals(await readFile(join(folder, '00000.tar'))));
  });

  test('what is not gzip, is cut short or is not there is refused and leaves nothing behind', async () => {
    const whole = gzipSync(await readFile(join(folder, '00000.tar')));
    await writeFile(join(root, 'text.tar.gz'), 'not gzip');
    await writeFile(join(root, 'cut.tar.gz'), whole.subarray(0, whole.length - 20));
    for (const name of ['text.tar.gz', 'cut.tar.gz', 'absent.tar.gz']) {
      await assert.rejects(plainTar(join(root, name)), { code: 'E_TAR', kind: 'data', where: join(root, name) });
    }
    assert.deepEqual(await readdir(join(root, 'cache/shards')), []);
  });
});
