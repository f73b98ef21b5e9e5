import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { cocoInstances } from '../../../datasets/coco-instances.ts';
import { parseBoxes, parsePhrases } from '../../../lib/data/boxes.ts';
import { checkSample, type Sample } from '../../../lib/data/sample.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { makeCocoInstances } from '../../data/make/coco-instances.ts';
import { writeContent, writePicture } from '../../data/make/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { counting } from './emoji-support.ts';

const SAMPLE_DIR = process.env['TRISTAGE_SAMPLE_DIR'];
const first = (): number => 0;

async function made(): Promise<string> {
  const root = temporaryFolder('tristage-instances-');
  await makeCocoInstances(root);
  return root;
}

async function all(source: OpenSource): Promise<Sample[]> {
  const samples = await Promise.all(Array.from({ length: source.length }, (_, index) => source.get(index, first)));
  for (const sample of samples) checkSample(sample);
  return samples;
}

describe('coco-instances', () => {
  test('detection asks for each category of a photo and gives all its boxes; a crowd is left out', async () => {
    const source = await cocoInstances.open({ root: await made() });
    assert.deepEqual(
      (await all(source)).map(({ id, turns: [turn] }) => [id.split('-')[0], turn?.question, turn?.answer]),
      [
        ['1', '[detection] dog', '<p>dog</p> {<10><20><30><60>}<delim>{<60><20><80><60>}'],
        ['1', '[detection] cat', '<p>cat</p> {<40><0><60><100>}'],
        ['2', '[detection] dog', '<p>dog</p> {<0><0><50><50>}'],
        ['3', '[detection] cat', '<p>cat</p> {<50><0><100><100>}'],
      ],
    );
    assert.match(source.notes.join('\n'), /crowd/);
  });

  test('refer asks for lone objects only, identify for every object', async () => {
    const root = await made();
    const refer = await all(await cocoInstances.open({ root, task: 'refer' }));
    assert.deepEqual(
      refer.map(({ turns: [turn] }) => [turn?.question, turn?.answer]),
      [
        ['[refer] cat', '{<40><0><60><100>}'],
        ['[refer] dog', '{<0><0><50><50>}'],
        ['[refer] cat', '{<50><0><100><100>}'],
      ],
    );
    const identify = await all(await cocoInstances.open({ root, task: 'identify' }));
    assert.deepEqual(identify.map(({ id }) => id).sort(), ['11', '12', '13', '21', '31', '33']);
    const person = identify.find(({ id }) => id === '31');
    assert.deepEqual(person?.turns, [{ question: '[identify] {<5><10><25><70>}', answer: 'person' }]);
  });

  test('a conversation asks several questions about one photo, each about another category, and answers them rightly', async () => {
    const source = await cocoInstances.open({ root: await made(), task: 'conversation' });
    assert.equal(source.length, 3);
    const truth = new Map([
      ['dog', ['{<10><20><30><60>}', '{<60><20><80><60>}']],
      ['cat', ['{<40><0><60><100>}']],
    ]);
    const kinds = new Set<string>();
    for (let start = 0; start < 12; start++) {
      let draws = start;
      const sample = await source.get(0, (bound) => draws++ % bound);
      checkSample(sample);
      assert.equal(sample.turns.length, 2);
      const names = sample.turns.map(({ question, answer }) => {
        const [, kind, rest] = /^\[(\w+)\] (.*)$/.exec(question) as unknown as [string, string, string];
        kinds.add(kind);
        const name = [...truth.keys()].find((key) => `${rest} ${answer}`.includes(key)) as string;
        const boxes = parseBoxes(kind === 'identify' ? question : answer);
        const known = truth.get(name) as string[];
        assert.equal(boxes.length, kind === 'detection' ? known.length : 1);
        for (const box of boxes)
          assert.ok(known.includes(`{<${box.map((value) => Math.round(value * 100)).join('><')}>}`));
        if (kind === 'refer') assert.equal(known.length, 1);
        return name;
      });
      assert.deepEqual(names.sort(), ['cat', 'dog']);
    }
    assert.deepEqual([...kinds].sort(), ['detection', 'identify', 'refer']);
    const single = await cocoInstances.open({ root: await made(), task: 'conversation', turns: 1 });
    assert.equal((await single.get(0, counting())).turns.length, 1);
  });

  test('crowds and boxes without area make a category incomplete, so that nobody is asked to list it', async () => {
    const root = temporaryFolder('tristage-instances-');
    await writePicture(join(root, 'a.jpg'));
    const one = (id: number, category: number, bbox: unknown, iscrowd: unknown = 0) => ({
      id,
      image_id: 7,
      category_id: category,
      bbox,
      iscrowd,
    });
    await writeContent(join(root, 'labels.json'), {
      images: [{ id: 7, file_name: 'a.jpg', width: 100, height: 100 }],
      categories: ['cup', 'fork', 'spoon', 'knife'].map((name, id) => ({ id, name })),
      annotations: [
        one(1, 0, [10, 10, 20, 20]),
        one(2, 0, [10, 10, 0, 20]),
        one(3, 1, [10, 10, 20, 20]),
        one(4, 1, [200, 10, 20, 20]),
        one(5, 2, [-5, 10, 20, 20]),
        one(6, 3, [10, 10, Number.NaN, 20]),
        one(7, 9, [10, 10, 20, 20]),
        { ...one(8, 3, [10, 10, 1, 1]), image_id: 8 },
      ],
    });
    const detection = await cocoInstances.open({ root });
    assert.deepEqual(
      (await all(detection)).map(({ turns }) => turns[0]?.answer),
      ['<p>spoon</p> {<0><10><15><30>}'],
    );
    for (const reason of ['without area', 'no box', 'unknown category', 'no listed image']) {
      assert.match(detection.notes.join('\n'), new RegExp(reason));
    }
    assert.equal((await cocoInstances.open({ root, task: 'identify' })).length, 3);
    assert.equal((await cocoInstances.open({ root, task: 'refer' })).length, 1);
  });

  test('many objects of a kind are not listed, and slivers are neither referred to nor identified', async () => {
    const root = await made();
    assert.equal((await cocoInstances.open({ root, maxBoxes: 1 })).length, 3);
    assert.equal((await cocoInstances.open({ root, task: 'identify', minSide: 0.25 })).length, 2);
  });

  test('own file names are paths: the same name in two folders is two photos, and a number is no COCO photo', async () => {
    const root = temporaryFolder('tristage-instances-');
    await writePicture(join(root, 'set/images/left/1.jpg'), { seed: 1 });
    await writePicture(join(root, 'set/images/right/1.jpg'), { seed: 2 });
    await writePicture(join(root, 'coco/train2017/000000000003.jpg'));
    const images = ['left/1.jpg', 'right/1.jpg', 'mid/1.jpg', '3.jpg'].map((file_name, place) => ({
      id: place + 1,
      file_name,
      width: 64,
      height: 48,
    }));
    await writeContent(join(root, 'set/instances.json'), {
      images,
      categories: [{ id: 1, name: 'cup' }],
      annotations: images.map(({ id }) => ({ id, image_id: id, category_id: 1, bbox: [1, 1, 30, 30] })),
    });
    const source = await cocoInstances.open({ root: join(root, 'set'), missing: 0.5 });
    const samples = await all(source);
    assert.deepEqual(
      samples.map(({ image }) => image),
      ['left', 'right'].map((side) => ({ path: join(root, `set/images/${side}/1.jpg`) })),
    );
    assert.match(source.notes.join('\n'), /missing image/);
  });

  test('files of another structure are errors that name the place', async () => {
    const root = temporaryFolder('tristage-instances-');
    for (const content of [
      { images: [1], categories: [], annotations: [] },
      { images: [], categories: [{}], annotations: [] },
    ]) {
      await writeContent(join(root, 'instances.json'), content);
      await assert.rejects(cocoInstances.open({ root }), {
        code: 'E_SOURCE',
        where: /instances.json, (images|categories)/,
      });
    }
    await assert.rejects(cocoInstances.open({ root: temporaryFolder('tristage-instances-') }), { code: 'E_SOURCE' });
  });

  test('rounding is an option', async () => {
    const root = await made();
    await writeContent(join(root, 'annotations/instances_train2017.json'), {
      images: [{ id: 1, file_name: '000000000001.jpg', width: 100, height: 50 }],
      categories: [{ id: 1, name: 'cup' }],
      annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [10.6, 10, 20, 20] }],
    });
    const answer = async (rounding: string) =>
      parsePhrases((await (await cocoInstances.open({ root, rounding })).get(0, first)).turns[0]?.answer ?? '')[0]
        ?.boxes[0];
    assert.deepEqual(await answer('truncate'), [0.1, 0.2, 0.3, 0.6]);
    assert.deepEqual(await answer('round'), [0.11, 0.2, 0.31, 0.6]);
  });

  test('COCO’s own instances of real photos give sound samples for every task', {
    skip: SAMPLE_DIR === undefined ? 'TRISTAGE_SAMPLE_DIR is not set' : false,
  }, async () => {
    for (const split of ['train', 'val']) {
      const lengths: Record<string, number> = {};
      for (const task of ['detection', 'refer', 'identify', 'conversation']) {
        const source = await cocoInstances.open({ root: join(SAMPLE_DIR as string, 'coco'), split, task });
        lengths[task] = (await all(source)).length;
      }
      assert.ok(lengths['identify']! > lengths['detection']! && lengths['detection']! > lengths['refer']!);
      assert.ok(lengths['conversation']! >= 48);
    }
  });
});
