import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { laion } from '../../../datasets/laion.ts';
import { bytesOfImage } from '../../../lib/data/image-bytes.ts';
import { openIndexed } from '../../../lib/data/index/ensure.ts';
import { type TarEntry, writeTar } from '../../../lib/formats/tar-writer.ts';
import { counting } from './emoji-support.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-laion-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function open(entries: readonly TarEntry[], options: Record<string, unknown> = {}) {
  const root = await mkdtemp(join(folder, 'set-'));
  await writeTar(join(root, '00000.tar'), entries);
  return laion.open({ root, ...options });
}

const json = (caption: string) => JSON.stringify({ caption, url: 'u', key: 'k' });

describe('laion', () => {
  test('the caption comes from the columns, else from the text, and is cleaned as the original does', async () => {
    const source = await open([
      { name: 'a.jpg', content: 'one' },
      { name: 'a.json', content: json('A Dog!  on "the" beach.') },
      { name: 'a.txt', content: 'another text' },
      { name: 'b.webp', content: 'two' },
      { name: 'b.txt', content: 'Only Text\n' },
    ]);
    const [first, second] = [await source.get(0, counting()), await source.get(1, counting())];
    assert.deepEqual([first.turns[0]!.answer, second.turns[0]!.answer], ['a dog on the beach', 'only text']);
    assert.deepEqual([first.task, first.id], ['caption', '00000.tar/a']);
    assert.ok(second.image && 'offset' in second.image && second.image.name.endsWith('00000.tar/b.webp'));
    assert.equal(Buffer.from(await bytesOfImage(second.image)).toString(), 'two');
    const raw = await open(
      [
        { name: 'a.jpg', content: '1' },
        { name: 'a.json', content: json(' A Dog! ') },
      ],
      { text: 'verbatim' },
    );
    assert.equal((await raw.get(0, () => 0)).turns[0]!.answer, 'A Dog!');
  });

  test('samples without an image or a caption file are left out and counted', async () => {
    const source = await open([
      { name: 'LICENCE', content: 'x' },
      { name: 'a.json', content: json('no image') },
      { name: 'b.jpg', content: '1' },
      { name: 'c.jpg', content: '1' },
      { name: 'c.txt', content: 'whole' },
    ]);
    assert.equal(source.length, 1);
    assert.equal((await source.get(0, () => 0)).id, '00000.tar/c');
    assert.deepEqual(
      source.notes.map((note) => note.replace(/:.*/, '')),
      ['1 row left out, name without key and extension', '1 row left out, no image', '1 row left out, no json or txt'],
    );
    await assert.rejects(open([{ name: 'a.json', content: json('x') }]), { code: 'E_SOURCE', kind: 'data' });
  });

  test('damaged columns are left out and counted; an empty caption is E_SAMPLE, found when the sample is asked for', async () => {
    const source = await open([
      { name: 'a.jpg', content: '1' },
      { name: 'a.json', content: json(' ... ') },
      { name: 'b.jpg', content: '1' },
      { name: 'b.json', content: '{' },
      { name: 'c.jpg', content: '1' },
      { name: 'c.json', content: 'x'.repeat((4 << 20) + 1) },
      { name: 'd.jpg', content: '1' },
      { name: 'd.json', content: '[1]' },
    ]);
    assert.equal(source.length, 1);
    assert.match(source.notes.join(), /^3 rows left out, damaged columns: 00000\.tar\/b: /);
    const sample = source.get(0, () => 0);
    await assert.rejects(sample, { code: 'E_SAMPLE', where: 'laion: 00000.tar/a' });
    const beyond = source.get(1, () => 0);
    await assert.rejects(beyond, RangeError);
  });

  test('a damaged shard is left out and counted, the others are read', async () => {
    const root = await mkdtemp(join(folder, 'set-'));
    const entries = [
      { name: 'a.jpg', content: '1' },
      { name: 'a.txt', content: 'whole' },
    ];
    await writeTar(join(root, '00000.tar'), entries);
    await writeTar(join(root, '00001.tar'), entries);
    await truncate(join(root, '00000.tar'), 1000);
    const source = await laion.open({ root });
    assert.equal(source.length, 1);
    assert.equal((await source.get(0, () => 0)).id, '00001.tar/a');
    assert.match(source.notes.join(), /^1 row left out, damaged tar: 00000\.tar: /);
    await truncate(join(root, '00001.tar'), 1000);
    await assert.rejects(laion.open({ root }), { code: 'E_SOURCE', kind: 'data' });
  });

  test('a compressed shard is unpacked into the cache and its images are read from there, through an index too', async () => {
    const root = await mkdtemp(join(folder, 'set-'));
    const before = process.env['TRISTAGE_CACHE_DIR'];
    process.env['TRISTAGE_CACHE_DIR'] = join(root, 'cache');
    try {
      const entries = ['a', 'b'].flatMap((key) => [
        { name: `${key}.jpg`, content: `picture ${key}` },
        { name: `${key}.txt`, content: `caption ${key}` },
      ]);
      await writeTar(join(root, 'plain'), entries);
      await writeFile(join(root, '00000.tar.gz'), gzipSync(await readFile(join(root, 'plain'))));
      const place = { index: join(root, 'index') };
      const request = { place, verify: 'quick', tool: 'test', info: () => {} } as const;
      for (const source of [await laion.open({ root }), (await openIndexed(laion.plan({ root }), request)).source]) {
        const { id, image, turns } = await source.get(1, () => 0);
        assert.deepEqual([id, turns[0]!.answer], ['00000.tar.gz/b', 'caption b']);
        assert.ok(image !== undefined && 'offset' in image && image.name === join(root, '00000.tar.gz/b.jpg'));
        assert.equal(Buffer.from(await bytesOfImage(image)).toString(), 'picture b');
      }
    } finally {
      if (before === undefined) delete process.env['TRISTAGE_CACHE_DIR'];
      else process.env['TRISTAGE_CACHE_DIR'] = before;
    }
  });

  test('a missing root is a data error before the first step', async () => {
    await assert.rejects(laion.open({ root: join(folder, 'absent') }), { kind: 'data' });
  });

  test('it is a weak source, so that stages can refuse it', () => assert.equal(laion.kind, 'weak'));
});
