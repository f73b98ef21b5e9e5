import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openScenes } from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import { type WeakShards, writeWeakShards } from '../../../datasets/emoji-scenes/weak.ts';
import { looseBox, weakCaption } from '../../../datasets/emoji-scenes/weak-caption.ts';
import { grit } from '../../../datasets/grit.ts';
import { laion } from '../../../datasets/laion.ts';
import { sha256File } from '../../../lib/core/hash.ts';
import { randomStream } from '../../../lib/core/rng.ts';
import { iou, parseBox, parsePhrases } from '../../../lib/data/boxes.ts';
import { decodeImage, loadImage } from '../../../lib/data/image.ts';
import { openIndexed } from '../../../lib/data/index/ensure.ts';
import { openShard } from '../../../lib/formats/tar-samples.ts';
import { counting } from './emoji-support.ts';

let folder: string;
let written: WeakShards;
const OPTIONS = { shards: 2, samplesPerShard: 30, seed: 3 };
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-weak-'));
  written = await writeWeakShards({ ...OPTIONS, dir: join(folder, 'one') });
});
after(() => rm(folder, { recursive: true, force: true }));

/** The scene that a written sample shows, by its url. */
async function sceneOf(root: string, index: number) {
  const set = await openScenes({ seed: OPTIONS.seed });
  const { samplesPerShard } = OPTIONS;
  const shard = await openShard(join(root, `0000${Math.floor(index / samplesPerShard)}.tar`));
  const sample = shard.samples[index % samplesPerShard]!;
  const record = JSON.parse(Buffer.from((await sample.read('json'))!).toString()) as Record<string, unknown>;
  const text = Buffer.from((await sample.read('txt'))!).toString();
  await shard.close();
  return { scene: set.scene(Number(/train\/(\d+)$/.exec(record['url'] as string)![1])), record, sample, text };
}

describe('weak data sets of emoji scenes', () => {
  test('equal options give equal bytes, another seed others', async () => {
    const again = await writeWeakShards({ ...OPTIONS, dir: join(folder, 'two') });
    const other = await writeWeakShards({ ...OPTIONS, seed: 4, dir: join(folder, 'three') });
    for (const shape of ['laion', 'grit'] as const) {
      assert.deepEqual(await readdir(written[shape]), ['00000.tar', '00001.tar']);
      for (const name of ['00000.tar', '00001.tar']) {
        const hash = (folders: WeakShards) => sha256File(join(folders[shape], name));
        assert.deepEqual(await hash(again), await hash(written));
        assert.notDeepEqual(await hash(other), await hash(written));
      }
    }
  });

  test('samples carry the columns and keys of img2dataset', async () => {
    for (const root of [written.laion, written.grit]) {
      const { sample, record, text } = await sceneOf(root, 37);
      assert.equal(sample.key, '000010007');
      assert.equal(record['key'], '000010007');
      assert.equal(text, record['caption']);
      assert.deepEqual([record['width'], record['original_height'], record['status']], [112, 112, 'success']);
      assert.equal('noun_chunks' in record, root === written.grit);
    }
  });

  test('laion reads back every caption, and the picture is the scene but for what JPEG loses', async () => {
    const source = await laion.open({ root: join(written.laion, '{00000..00001}.tar') });
    assert.equal(source.length, 60);
    for (const index of [59, 0, 31, 12]) {
      const { scene, record } = await sceneOf(written.laion, index);
      const sample = await source.get(index, counting());
      assert.equal(sample.turns[0]!.answer, record['caption']);
      assert.match(sample.turns[0]!.question, /^\[caption\] /);
      const pixels = await loadImage(sample.image!, { size: 112 });
      const off = pixels.reduce((sum, value, place) => sum + Math.abs(value - scene.image.pixels[place]!), 0);
      assert.ok(off / pixels.length < 4, `mean difference ${off / pixels.length}`);
    }
  });

  test('grit reads back phrases and boxes that lie near the objects', async () => {
    for (const task of ['refer', 'identify', 'grounding'] as const) {
      const plan = grit.plan({ root: written.grit, task, minScore: 0 });
      const place = { cache: join(folder, 'cache') };
      const { source } = await openIndexed(plan, {
        place,
        verify: 'decode',
        decode: decodeImage,
        tool: 'test',
        info: () => {},
      });
      const near: number[] = [];
      for (let index = 0; index < source.length; index++) {
        const sample = await source.get(index, counting());
        const set = await sceneByKey(sample.id);
        for (const box of sample.boxes!) near.push(Math.max(...set.objects.map((one) => iou(one.box, box))));
        const { question, answer } = sample.turns[0]!;
        if (task === 'refer') assert.ok(parseBox(answer) !== undefined, answer);
        if (task === 'identify') assert.match(question, /\{<\d+><\d+><\d+><\d+>\}/);
        if (task === 'grounding')
          assert.equal(parsePhrases(answer).flatMap(({ boxes }) => boxes).length, sample.boxes!.length);
      }
      const mean = near.reduce((sum, value) => sum + value, 0) / near.length;
      assert.ok(mean > 0.6 && mean < 0.95, `${task}: loose, but not lost: ${mean}`);
    }
  });

  async function sceneByKey(id: string) {
    const [shard, key] = id.split('/') as [string, string];
    return (await sceneOf(written.grit, Number(shard.slice(0, 5)) * 30 + Number(key.slice(5)))).scene;
  }

  test('numbers without a key are refused', async () => {
    await assert.rejects(writeWeakShards({ ...OPTIONS, dir: folder, samplesPerShard: 10_001 }), RangeError);
    await assert.rejects(writeWeakShards({ ...OPTIONS, dir: folder, shards: 0 }), RangeError);
  });
});

describe('noise', () => {
  test('captions err at their rate, and their phrases stay where the offsets say', async () => {
    const set = await openScenes({ seed: 1 });
    const names = set.art.kinds.map(({ name }) => name);
    let wrong = 0;
    for (let index = 0; index < 300; index++) {
      const scene = set.scene(index);
      const make = (captions: number) =>
        weakCaption(scene, names, { noise: { captions, boxes: 0 }, random: randomStream(9, index) });
      const [clean, noisy] = [make(0), make(0.4)];
      if (clean.text !== noisy.text) wrong++;
      for (const { text, phrases } of [clean, noisy]) {
        assert.ok(phrases.length > 0);
        for (const { start, end, group } of phrases) {
          const phrase = [...text].slice(start, end).join('');
          assert.match(phrase, /^(a|an|two) \w+$/);
          if (text === clean.text) assert.ok(phrase.includes(group.name.slice(0, 4)), phrase);
        }
      }
    }
    assert.ok(Math.abs(wrong / 300 - 0.4) < 0.09, `${wrong} of 300`);
  });

  test('loose boxes have an area within the image, and the looser the less sure', () => {
    const noise = { captions: 0, boxes: 0.4 };
    const found = Array.from({ length: 400 }, (_, index) =>
      looseBox([0.7, 0.1, 1, 0.3], { noise, random: randomStream(index) }),
    );
    for (const { box, score } of found) {
      assert.ok(box[0] < box[2] && box[1] < box[3] && box.every((edge) => edge >= 0 && edge <= 1));
      assert.ok(score > 0 && score <= 1);
    }
    const overlap = (half: typeof found) =>
      half.reduce((sum, { box }) => sum + iou(box, [0.7, 0.1, 1, 0.3]), 0) / half.length;
    const ranked = [...found].sort((one, other) => other.score - one.score);
    assert.ok(overlap(ranked.slice(0, 200)) > overlap(ranked.slice(200)) + 0.1);
  });
});
