import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { expandBraces, groupTarMembers, openShards } from '../../../lib/formats/tar-samples.ts';
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
      named('a.b/x.jpg', 'a.b/x.seg.png', 'a.b/y.jpg', 'x.jpg', 'nodot', '.hidden', 'd/.hidden.txt'),
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
      ['nodot', '.hidden', 'd/.hidden.txt'],
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
    for (const bad of ['{0..', '{3..1}', '{}', '{x}', '{0..99999999}', '{0..999}{0..9999}', '{{0..1},a}']) {
      assert.throws(() => expandBraces(bad), { code: 'E_SHARDS', kind: 'data' }, bad);
    }
  });

  test('a folder and a pattern give the same samples in the same order, at random places', async () => {
    const [byFolder, byPattern] = await Promise.all([
      openShards(folder),
      openShards(join(folder, '{00000..00002}.tar')),
    ]);
    assert.equal(byFolder.length, 6);
    assert.equal(byFolder.loose, 3);
    assert.equal(byFolder.fingerprint, byPattern.fingerprint);
    const keys = [5, 0, 3, 2, 4, 1].map((index) => byPattern.at(index).key);
    assert.deepEqual(keys, ['20002', '00000', '20000', '00002', '20001', '00001']);
    const sample = byPattern.at(3);
    assert.equal(Buffer.from((await sample.read('jpg'))!).toString(), 'image 20000');
    assert.equal(Buffer.from((await sample.read('json'))!).toString(), '{"key":"20000"}');
    assert.equal(await sample.read('txt'), undefined);
    assert.throws(() => byPattern.at(6), RangeError);
  });

  test('the fingerprint changes with the members', async () => {
    const whole = await openShards(folder);
    const part = await openShards(join(folder, '{00000..00001}.tar'));
    assert.notEqual(whole.fingerprint, part.fingerprint);
  });

  test('a missing folder, a missing shard and a folder without tars are data errors that name the place', async () => {
    await assert.rejects(openShards(join(folder, 'absent')), { code: 'E_SHARDS', kind: 'data' });
    await assert.rejects(openShards(join(folder, '{00002..00003}.tar')), (error: { kind: string; where: string }) => {
      assert.equal(error.kind, 'data');
      assert.match(error.where, /00003\.tar$/);
      return true;
    });
    const bare = await mkdtemp(join(folder, 'bare-'));
    await assert.rejects(openShards(bare), { code: 'E_SHARDS', kind: 'data' });
  });
});
