import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { emojiScenes } from '../../../../datasets/emoji-scenes/emoji-scenes.ts';
import { SOURCES } from '../../../../datasets/index.ts';
import { jsonl } from '../../../../datasets/jsonl.ts';
import { decodeImage } from '../../../../lib/data/image.ts';
import { bytesOfImage } from '../../../../lib/data/image-bytes.ts';
import type { EncodedImage } from '../../../../lib/data/sample.ts';
import type { OpenSource } from '../../../../lib/data/source.ts';
import { indexTar } from '../../../../lib/formats/tar.ts';
import { writeTar } from '../../../../lib/formats/tar-writer.ts';
import { makeAll } from '../../../data/make/all.ts';
import { makeCocoInstances } from '../../../data/make/coco-instances.ts';
import { makeJsonl } from '../../../data/make/jsonl.ts';
import { jsonLinesOf, pictureBytes, writeContent, writePicture } from '../../../data/make/pictures.ts';
import { TASK_ROOTS } from '../../../data/make/task-data.ts';
import { makeWebdataset } from '../../../data/make/webdataset.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { samplesOf } from '../../datasets/open-source.ts';
import { lasting, pack, readBack } from './packed.ts';

let root: string;
let source: OpenSource;
before(async () => {
  root = temporaryFolder('tristage-shards-');
  await makeJsonl(root);
  source = await jsonl.open({ root });
});

async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString('latin1')])),
  );
}

/** Pictures of their own, a question each. */
async function photos(count: number): Promise<OpenSource> {
  const dir = temporaryFolder('tristage-shards-');
  for (let seed = 0; seed < count; seed++) await writePicture(join(dir, `${seed}.jpg`), { seed });
  const records = Array.from({ length: count }, (_, seed) => ({
    image: `${seed}.jpg`,
    task: 'vqa',
    turns: [{ question: `what is ${seed}?`, answer: `${seed}` }],
  }));
  await writeContent(join(dir, 'a.jsonl'), jsonLinesOf(records));
  return jsonl.open({ root: dir });
}

describe('shards', () => {
  test('own data comes back equal, with the same bytes of images, in every wording', async () => {
    const { folder, manifest } = await pack(source);
    assert.deepEqual([manifest.records, manifest.images, manifest.samples, manifest.shards.length], [6, 2, 3, 1]);
    const back = await readBack(folder);
    for (const draw of [0, 1, 2]) {
      const pick = (bound: number): number => draw % bound;
      const [before, after] = [await samplesOf(source, pick), await samplesOf(back, pick)];
      assert.deepEqual(after.map(lasting), before.map(lasting));
      for (const [place, { image }] of before.entries()) {
        assert.equal(image === undefined, after[place]?.image === undefined);
        if (image === undefined) continue;
        const [one, other] = [image, after[place]?.image] as [EncodedImage, EncodedImage];
        assert.deepEqual(Buffer.from(await bytesOfImage(other)), Buffer.from(await bytesOfImage(one)));
      }
    }
  });

  test('every source that ships comes back as evaluation sees it', async () => {
    const data = temporaryFolder('tristage-shards-');
    await makeAll(data);
    await makeCocoInstances(join(data, 'coco-instances'));
    await makeWebdataset(join(data, 'webdataset'));
    await makeJsonl(join(data, 'jsonl'));
    const places: Readonly<Record<string, string>> = { ...TASK_ROOTS, 'multitask-conversation': 'multitask' };
    for (const one of SOURCES.filter(({ embedded }) => embedded !== true)) {
      const opened = await one.open({ root: join(data, places[one.name] ?? one.name) });
      const { folder, manifest } = await pack(opened, { limit: { samples: 2 } });
      assert.equal(manifest.records, opened.length, `${one.name}: ${JSON.stringify(manifest.rejections)}`);
      const back = await samplesOf(await readBack(folder));
      assert.deepEqual(back.map(lasting), (await samplesOf(opened)).map(lasting), one.name);
    }
  });

  test('pictures that were never encoded become PNGs of the same pixels; questions on one share it', async () => {
    const opened = await emojiScenes.open({ root: '', count: 2, turns: { refer: 1, caption: 1 } });
    const { folder, manifest } = await pack(opened);
    assert.deepEqual([manifest.records, manifest.images], [4, 2]);
    const [before, after] = [await samplesOf(opened), await samplesOf(await readBack(folder))];
    assert.deepEqual(after.map(lasting), before.map(lasting));
    for (const [place, { image }] of before.entries()) {
      const { data } = await decodeImage(after[place]?.image as EncodedImage);
      assert.ok(image !== undefined && 'pixels' in image && Buffer.from(data).equals(image.pixels));
    }
  });

  test('equal samples and limits give equal bytes, members of plain names side by side', async () => {
    const [one, two] = [await pack(source), await pack(await jsonl.open({ root }))];
    assert.deepEqual(await contents(one.folder), await contents(two.folder));
    assert.deepEqual(
      (await indexTar(join(one.folder, 'shard-00000.tar'))).map(({ name }) => name),
      ['000000000.jpg', '000000000.json', '000000001.jpg', '000000001.json', '000000002.json'],
    );
  });

  test('a shard ends before it exceeds a limit; what is larger by itself has one of its own', async () => {
    const many = await photos(7);
    const bySamples = await pack(many, { limit: { samples: 3 } });
    assert.deepEqual(
      bySamples.manifest.shards.map(({ samples }) => samples),
      [3, 3, 1],
    );
    const bytes = 1024 + 2 * (512 + 1024 + 512 + 512);
    const byBytes = await pack(many, { limit: { bytes } });
    for (const shard of byBytes.manifest.shards) assert.ok(shard.bytes <= bytes, JSON.stringify(shard));
    assert.deepEqual(
      byBytes.manifest.shards.map(({ samples }) => samples),
      [2, 2, 2, 1],
    );
    const alone = await pack(many, { limit: { bytes: 1 } });
    assert.equal(alone.manifest.shards.length, 7);
    for (const { folder } of [bySamples, byBytes, alone]) {
      assert.deepEqual((await samplesOf(await readBack(folder))).map(lasting), (await samplesOf(many)).map(lasting));
    }
  });

  test('keys are unique in all shards, so that shards of one source can be read together', async () => {
    const { folder, manifest } = await pack(await photos(3), { limit: { samples: 1 } });
    const names = await Promise.all(manifest.shards.map(({ name }) => indexTar(join(folder, name))));
    assert.deepEqual(
      names.flat().map(({ name }) => name.slice(0, 9)),
      ['000000000', '000000000', '000000001', '000000001', '000000002', '000000002'],
    );
  });

  test('a long list of records is cut, each part with the image; equal images at other places of a tar stay apart', async () => {
    const dir = temporaryFolder('tristage-shards-');
    const content = await pictureBytes();
    const turns = [{ question: 'a?', answer: 'b' }];
    const list = Array.from({ length: 300 }, () => ({ task: 'vqa', turns }));
    await writeTar(join(dir, 'own.tar'), [
      { name: 'a.jpg', content },
      { name: 'a.json', content: JSON.stringify(list) },
      { name: 'b.jpg', content },
      { name: 'b.json', content: JSON.stringify({ task: 'vqa', turns }) },
    ]);
    const own = await readBack(dir);
    const { folder, manifest } = await pack(own);
    assert.deepEqual([manifest.records, manifest.images, manifest.samples], [301, 3, 3]);
    assert.deepEqual((await samplesOf(await readBack(folder))).map(lasting), (await samplesOf(own)).map(lasting));
  });

  test('an interrupted writing goes on behind the last whole shard and ends in the same bytes', async () => {
    const many = await photos(7);
    const whole = await pack(many, { limit: { samples: 2 } });
    const folder = join(temporaryFolder('tristage-shards-'), 'out');
    let resumed = 0;
    const attempt = (stopAfter: number) => {
      const controller = new AbortController();
      return pack(many, {
        folder,
        limit: { samples: 2 },
        signal: controller.signal,
        onResume: (shards) => (resumed = shards),
        onProgress: ({ shards }) => shards === stopAfter && controller.abort(),
      });
    };
    for (const stopAfter of [1, 3]) {
      await assert.rejects(attempt(stopAfter), { name: 'AbortError' });
      assert.equal((await readdir(folder)).includes('manifest.json'), false);
      // As a process leaves it that is killed: a temporary file, a line half written, a shard that is not listed yet.
      await writeFile(join(folder, '.tmp-0123456789ab-shard-00009.tar'), 'half');
      await appendFile(join(folder, 'progress.jsonl'), '{"name":"shard-0000');
      await writeFile(join(folder, `shard-0000${stopAfter}.tar`), 'not listed');
    }
    assert.equal(resumed, 1);
    await attempt(Number.POSITIVE_INFINITY);
    assert.equal(resumed, 3);
    assert.deepEqual(await contents(folder), await contents(whole.folder));
  });

  test('a second time nothing is written; other data, other limits and changed shards are refused', async () => {
    const { folder } = await pack(source);
    const there = await contents(folder);
    assert.equal((await pack(source, { folder })).written, false);
    await assert.rejects(pack(source, { folder, limit: { samples: 1 } }), { code: 'E_SHARD_FOLDER', where: folder });
    await assert.rejects(pack(await photos(1), { folder }), { code: 'E_SHARD_FOLDER', kind: 'data' });
    assert.deepEqual(await contents(folder), there);
    await truncate(join(folder, 'shard-00000.tar'), 100);
    await assert.rejects(pack(source, { folder }), { code: 'E_SHARD_FOLDER', found: /shard-00000.tar of 100 bytes/ });
    await rm(join(folder, 'shard-00000.tar'));
    await assert.rejects(pack(source, { folder }), { code: 'E_SHARD_FOLDER', found: /shard-00000.tar of no bytes/ });
  });

  test('a folder with anything else is left as it is', async () => {
    for (const [name, text] of [
      ['thesis.txt', 'mine'],
      ['manifest.json', '{}'],
      ['manifest.json', 'no JSON'],
      ['progress.jsonl', '{"a": 1}\n'],
      ['shard-00000.tar', 'whose?'],
    ] as const) {
      const folder = temporaryFolder('tristage-shards-');
      await writeFile(join(folder, name), text);
      await assert.rejects(pack(source, { folder }), { code: 'E_OUT_FOREIGN', kind: 'usage', where: folder }, name);
      assert.deepEqual(await contents(folder), { [name]: text });
    }
  });

  test('what cannot be written is counted with its reason: damaged samples, foreign images, records without a place', async () => {
    const dir = temporaryFolder('tristage-shards-');
    await writePicture(join(dir, 'a.png'), {});
    await writeContent(join(dir, 'b.gif'), Buffer.from('GIF89a'));
    const turn = { question: '[vqa] a?', answer: 'b' };
    const sampleOf = (place: number) => ({
      id: `${place}`,
      source: 'made',
      task: 'vqa' as const,
      image: { path: join(dir, ['a.png', 'b.gif', 'absent.png', 'a.png', 'a.png', 'a.png'][place] as string) },
      turns: [[turn], [turn], [turn], [{ ...turn, question: 'a?' }], [], [turn]][place] ?? [],
    });
    const made: OpenSource = {
      name: 'made',
      length: 6,
      fingerprint: 'f',
      notes: [],
      leftOut: [{ reason: 'missing image', count: 4, examples: ['x'] }],
      get: async (index) => sampleOf(index),
    };
    for (const samples of [1, 2]) {
      const { manifest } = await pack(made, { limit: { samples } });
      assert.deepEqual(manifest.rejections.map(({ reason, count }) => `${count} ${reason}`).sort(), [
        '1 no record',
        '1 unusable sample',
        '2 unreadable image',
        '4 missing image',
      ]);
      assert.match(
        manifest.rejections.find(({ reason }) => reason === 'unreadable image')?.examples.join() ?? '',
        /b\.gif.*474946.*absent\.png: ENOENT/,
      );
      assert.equal(manifest.records, 2);
    }
  });

  test('a source of which nothing can be written is an error, and the folder stays free', async () => {
    const none: OpenSource = {
      name: 'none',
      length: 1,
      fingerprint: 'f',
      notes: [],
      get: async () => ({ id: 'a', source: 'none', task: 'vqa', turns: [] }),
    };
    const folder = join(temporaryFolder('tristage-shards-'), 'out');
    await assert.rejects(pack(none, { folder }), { code: 'E_SOURCE', message: /1 unusable sample/ });
    assert.equal((await pack(source, { folder })).written, true);
  });

  test('an image is what it is, not what it is called', async () => {
    const dir = temporaryFolder('tristage-shards-');
    await writeContent(join(dir, 'a.jpg'), await pictureBytes({}, 'webp'));
    await writeContent(
      join(dir, 'a.jsonl'),
      jsonLinesOf([{ image: 'a.jpg', turns: [{ question: 'a?', answer: 'b' }] }]),
    );
    const { folder } = await pack(await jsonl.open({ root: dir }));
    assert.equal((await indexTar(join(folder, 'shard-00000.tar')))[0]?.name, '000000000.webp');
  });
});
