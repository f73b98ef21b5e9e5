import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { llava } from '../../../datasets/llava.ts';
import { encodeSample } from '../../../lib/data/encode.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { makeLlava } from '../../data/make/llava.ts';
import { writeContent, writePicture } from '../../data/make/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const first = (): number => 0;
const human = (value: string) => ({ from: 'human', value });
const gpt = (value: string) => ({ from: 'gpt', value });

async function made(): Promise<string> {
  const root = temporaryFolder('tristage-llava-');
  await makeLlava(root);
  return root;
}

/** A conversation file of these rows, all about one photo. */
async function opened(conversations: readonly unknown[]) {
  const root = temporaryFolder('tristage-llava-');
  await writePicture(join(root, 'train2017/000000000001.jpg'));
  const rows = conversations.map((turns) => ({ id: '000000000001', image: '000000000001.jpg', conversations: turns }));
  await writeContent(join(root, 'conversation_58k.json'), [
    ...rows,
    { id: '000000000001', image: '000000000001.jpg', conversations: [human('<image>\nfine?'), gpt('yes')] },
  ]);
  return llava.open({ root });
}

describe('llava', () => {
  test('each part gives its conversations, all turns in order, with the photo of either year', async () => {
    const root = await made();
    const talk = await llava.open({ root });
    assert.equal(talk.length, 3);
    assert.deepEqual(await talk.get(0, first), {
      id: '000000000001',
      source: 'llava',
      task: 'conversation',
      image: { path: join(root, 'train2014/COCO_train2014_000000000001.jpg') },
      turns: [
        { question: 'How many blocks are there?', answer: 'There are three.' },
        { question: 'Do they touch?', answer: 'No.' },
      ],
    });
    for (const part of ['detail', 'reasoning']) {
      const source = await llava.open({ root, part });
      assert.equal(source.length, 3);
      checkSample(await source.get(2, first));
    }
  });

  test('an image token before or after the question goes, with its line break and nothing else', async () => {
    const root = await made();
    const source = await llava.open({ root, part: 'detail' });
    const questions = await Promise.all(
      [0, 1].map(async (index) => (await source.get(index, first)).turns[0]?.question),
    );
    assert.deepEqual(questions, ['Describe the following image.', 'What do you see?']);
    const broken = await opened([[human('First line.\nSecond line.\n<image>'), gpt('yes')]]);
    assert.equal((await broken.get(0, first)).turns[0]?.question, 'First line.\nSecond line.');
  });

  test('fault 6: instructions keep numbers, marks and all their words unless the rule of the original is asked for', async () => {
    const root = temporaryFolder('tristage-llava-');
    await writePicture(join(root, 'train2017/000000000001.jpg'));
    const long = `At 10:15, is 3.5 (or "4") more? ${'word '.repeat(60)}end`;
    await writeContent(join(root, 'detail_23k.json'), [
      { id: '000000000001', conversations: [human(`${long}\n<image>`), gpt('Yes. At 10:15.')] },
    ]);
    const kept = await llava.open({ root, part: 'detail' });
    assert.equal((await kept.get(0, first)).turns[0]?.question, long);
    const ruled = await llava.open({ root, part: 'detail', text: 'reference' });
    const { question, answer } = (await ruled.get(0, first)).turns[0]!;
    assert.equal(question.split(' ').length, 50);
    assert.match(question, /^at 10 15, is 3 5 or 4 more\? word/);
    assert.equal(answer, 'Yes. At 10:15.');
    assert.notEqual(kept.fingerprint, ruled.fingerprint);
  });

  const faults: readonly [reason: string, conversations: unknown][] = [
    ['question without answer', [human('<image>\na?'), gpt('b'), human('c?')]],
    ['speakers do not alternate', [human('<image>\na?'), human('b?'), gpt('c'), gpt('d')]],
    ['speakers do not alternate', [gpt('a'), human('b?')]],
    ['empty answer', [human('<image>\na?'), gpt(' \n')]],
    ['empty question', [human('<image>'), gpt('a')]],
    ['image in a later turn', [human('a?'), gpt('b'), human('<image>\nc?'), gpt('d')]],
    ['image placeholder in a text', [human('<ImageHere> a?'), gpt('b')]],
    ['no conversation', []],
    ['no conversation', 'text'],
  ];
  for (const [reason, conversations] of faults) {
    test(`${JSON.stringify(conversations)} is left out and counted: ${reason}`, async () => {
      const source = await opened([conversations]);
      assert.equal(source.length, 1);
      assert.match(source.notes.join('\n'), new RegExp(reason));
      assert.equal((await source.get(0, first)).turns[0]?.question, 'fine?');
    });
  }

  test('the image stands in the first turn of a row alone, and every answer is learnt', async () => {
    const tokenizer = await llama2Tokenizer();
    const sample = await (await llava.open({ root: await made() })).get(0, first);
    const { tokenIds, labels } = encodeSample(sample, { tokenizer, imageTokens: 2 });
    const slots = [...tokenIds.keys()].filter((place) => tokenIds[place] === -200);
    assert.equal(slots.length, 2);
    assert.ok(slots.every((place) => place < labels.findIndex((label) => label >= 0)));
    assert.equal([...labels].filter((label) => label === tokenizer.eosId).length, 2);
  });

  test('fault 7: most photos missing is an error, with what was looked for, and not a smaller source', async () => {
    const root = await made();
    await rm(join(root, 'train2014/COCO_train2014_000000000001.jpg'));
    const one = await llava.open({ root, missing: 0.4 });
    assert.equal(one.length, 2);
    assert.match(one.notes.join('\n'), /missing image/);
    await rm(join(root, 'train2014/COCO_train2014_000000000002.jpg'));
    await assert.rejects(llava.open({ root }), { code: 'E_SOURCE', found: /2 of 3 rows without an image/ });
    assert.equal((await llava.open({ root, missing: 0.7 })).length, 1);
  });

  test('a photo named otherwise than in COCO is never replaced by the COCO photo of that number', async () => {
    const root = await made();
    await writeContent(join(root, 'own.json'), [
      { id: 'a', image: '1.jpg', conversations: [human('<image>\na?'), gpt('b')] },
      { id: 'b', image: 'coco/train2017/000000000002.jpg', conversations: [human('<image>\na?'), gpt('b')] },
    ]);
    const source = await llava.open({ root, annotations: join(root, 'own.json'), missing: 0.5 });
    assert.equal(source.length, 1);
    assert.equal((await source.get(0, first)).id, 'b');
  });

  test('fault 28: photos of an exclusion list are left out', async () => {
    const root = await made();
    await writeContent(join(root, 'held-out.txt'), '000000000002.jpg\n');
    const source = await llava.open({ root, exclude: [join(root, 'held-out.txt')] });
    assert.equal(source.length, 2);
    assert.match(source.notes.join('\n'), /excluded image/);
  });

  test('one id may have several conversations', async () => {
    const source = await opened([[human('a?'), gpt('b')]]);
    assert.deepEqual(
      [(await source.get(0, first)).id, (await source.get(1, first)).id],
      ['000000000001', '000000000001#1'],
    );
  });

  test('it is an instruction source under three names of the original', () => {
    assert.equal(llava.kind, 'instruction');
    assert.deepEqual(llava.aliases, {
      llava_detail: { part: 'detail' },
      llava_reason: { part: 'reasoning' },
      llava_conversation: { part: 'conversation' },
    });
  });
});
