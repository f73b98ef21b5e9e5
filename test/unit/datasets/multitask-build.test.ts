import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { buildMultitask } from '../../../datasets/multitask-build.ts';
import { multitaskConversation } from '../../../datasets/multitask-conversation.ts';
import { parseBoxes } from '../../../lib/data/boxes.ts';
import { checkSample, nameOfImage } from '../../../lib/data/sample.ts';
import { makeCocoCaption } from '../../data/make/coco-caption.ts';
import { COCO_PHOTOS } from '../../data/make/coco-photos.ts';
import { makeFlickr30k } from '../../data/make/flickr30k.ts';
import { writeContent } from '../../data/make/pictures.ts';
import { makeRefcoco, makeRefcocog, miniatureInstances, miniatureRefs } from '../../data/make/refer.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const info = (): void => {};

let root: string;
before(async () => {
  root = temporaryFolder('tristage-build-');
  await makeCocoCaption(join(root, 'coco'));
  await makeRefcoco(join(root, 'refer'), join(root, 'coco'));
  await makeRefcocog(join(root, 'refer'), join(root, 'coco'));
  await writeContent(join(root, 'coco/annotations/instances_train2017.json'), miniatureInstances());
  await makeFlickr30k(join(root, 'flickr30k'));
});

interface Conversation {
  id: string;
  image: string;
  conversations: { from: string; value: string }[];
}

async function built(options: object = {}, name = 'multi_task_conversation.json') {
  const file = join(root, name);
  const report = await buildMultitask({ root, file, options: { ...options }, info });
  const text = await readFile(file, 'utf8');
  return { report, text, rows: JSON.parse(text) as Conversation[] };
}

describe('building multi-task conversations', () => {
  test('each photo of training gets several tasks, in the form of the original, and the source reads them', async () => {
    const { report, rows } = await built();
    const train = COCO_PHOTOS.filter(({ split }) => split === 'train').length;
    assert.equal(report.conversations, rows.length);
    assert.equal(rows.length, train + 2);
    for (const { conversations } of rows) {
      assert.ok(conversations.length >= 4 && conversations.length <= 8);
      assert.deepEqual(
        conversations.map(({ from }) => from),
        conversations.map((_, place) => (place % 2 === 0 ? 'human' : 'gpt')),
      );
      assert.deepEqual(
        conversations.map(({ value }) => value.includes('<image>')),
        conversations.map((_, place) => place === 0),
      );
      const tasks = conversations.flatMap(({ value }) => /^(?:<image>\n)?\[(\w+)\]/.exec(value)?.[1] ?? []);
      assert.equal(tasks.length, conversations.length / 2);
      assert.ok(new Set(tasks).size >= 2);
    }
    const total = Object.values(report.turns).reduce((sum, count) => sum + count, 0);
    assert.equal(
      total,
      rows.reduce((sum, { conversations }) => sum + conversations.length / 2, 0),
    );
    const source = await multitaskConversation.open({ root });
    assert.equal(source.length, rows.length);
    assert.deepEqual(source.notes, []);
    for (const [index, row] of rows.entries()) {
      const sample = await source.get(index, () => 0);
      checkSample(sample);
      assert.equal(basename(nameOfImage(sample.image!)), row.image);
    }
  });

  test('equal annotations and seed give equal bytes, another seed other questions', async () => {
    const one = await built({}, 'a.json');
    assert.equal((await built({}, 'b.json')).text, one.text);
    assert.notEqual((await built({ seed: 1 }, 'c.json')).text, one.text);
  });

  test('no box that stood in an answer or a question is asked for again by refer or identify', async () => {
    for (const seed of [0, 1, 2, 3]) {
      for (const { conversations } of (await built({ seed, turns: 10 }, 'd.json')).rows) {
        const seen = new Set<string>();
        for (let place = 0; place < conversations.length; place += 2) {
          const [question, answer] = [conversations[place]!.value, conversations[place + 1]!.value];
          if (/\[(caption|grounding)\]/.test(question)) continue;
          const boxes = parseBoxes(`${question} ${answer}`).map((box) => box.join());
          for (const box of boxes) assert.ok(!seen.has(box), `${question} after ${[...seen].join(' ')}`);
          for (const box of boxes) seen.add(box);
        }
      }
    }
  });

  test('fault 28: photos that RefCOCO holds back for evaluation are in no conversation', async () => {
    const held = COCO_PHOTOS.filter(({ split }) => split === 'val').map(({ id }) => String(id).padStart(12, '0'));
    const { rows } = await built();
    assert.ok(held.length > 0 && rows.every(({ id }) => !held.includes(id)));
  });

  test('the number of turns and of photos can be bounded; the photos of a smaller number are among those of a larger', async () => {
    const { rows } = await built({ turns: 2, photos: 3 }, 'e.json');
    assert.ok(rows.length === 3 && rows.every(({ conversations }) => conversations.length === 4));
    const more = await built({ turns: 2, photos: 5 }, 'f.json');
    assert.ok(rows.every(({ id }) => more.rows.some((row) => row.id === id)));
  });

  test('what is not there is left out and said; one task alone is an error; so are unknown options', async () => {
    const { report } = await built({ flickr30k: 'nowhere' }, 'g.json');
    assert.match(report.notes.join('\n'), /refcoco\+ is not there/);
    assert.match(report.notes.join('\n'), /flickr30k is not there/);
    const alone = temporaryFolder('tristage-build-');
    await makeCocoCaption(join(alone, 'coco'));
    const file = join(alone, 'out.json');
    await assert.rejects(buildMultitask({ root: alone, file, options: {}, info }), { code: 'E_SOURCE' });
    await assert.rejects(buildMultitask({ root, file, options: { sead: 1 }, info }), { code: 'E_SOURCE_OPTIONS' });
    await assert.rejects(readFile(file), { code: 'ENOENT' });
  });

  test('a set without a training part is left out and said', async () => {
    const held = temporaryFolder('tristage-build-');
    await makeCocoCaption(join(held, 'coco'));
    await writeContent(join(held, 'coco/annotations/instances_train2017.json'), miniatureInstances());
    const refs = miniatureRefs(['val']).filter(({ split }) => split !== 'train');
    await writeContent(join(held, 'refer/refcoco/refs.json'), refs);
    await writeContent(join(held, 'refer/refcoco/instances.json'), miniatureInstances());
    const { notes, turns } = await buildMultitask({ root: held, file: join(held, 'out.json'), options: {}, info });
    assert.match(notes.join('\n'), /refcoco has nothing to train on/);
    assert.deepEqual(Object.keys(turns).sort(), ['caption', 'detection']);
  });

  test('annotations whose photos are missing are an error and not left out', async () => {
    const bare = temporaryFolder('tristage-build-');
    await makeCocoCaption(join(bare, 'coco'));
    await writeContent(join(bare, 'coco/annotations/instances_train2017.json'), miniatureInstances());
    await rm(join(bare, 'coco/train2017'), { recursive: true });
    await assert.rejects(buildMultitask({ root: bare, file: join(bare, 'out.json'), options: {}, info }), {
      code: 'E_SOURCE',
      message: /images/,
    });
  });
});
