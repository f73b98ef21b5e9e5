import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { webdataset } from '../../../datasets/webdataset.ts';
import { openIndexed } from '../../../lib/data/index/ensure.ts';
import { isRowSource } from '../../../lib/data/row-source.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { writeTar } from '../../../lib/formats/tar-writer.ts';
import { pictureBytes } from '../../data/make/pictures.ts';
import { makeWebdataset } from '../../data/make/webdataset.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { samplesOf } from './open-source.ts';

const first = (): number => 0;
const turns = [{ question: 'a?', answer: 'b' }];

async function tarWith(records: readonly unknown[]): Promise<string> {
  const root = temporaryFolder('tristage-wds-');
  const content = await pictureBytes({ width: 100, height: 50 });
  const entries = records.flatMap((record, place) => [
    { name: `${place}.jpg`, content },
    { name: `${place}.json`, content: JSON.stringify(record) },
  ]);
  await writeTar(join(root, 'own.tar'), entries);
  return root;
}

describe('webdataset', () => {
  test('captions and records of all tars become samples; keys may repeat between tars', async () => {
    const root = temporaryFolder('tristage-wds-');
    await makeWebdataset(root);
    for (const source of [await webdataset.open({ root }), await throughIndex(root)]) {
      const samples = await Promise.all(Array.from({ length: source.length }, (_, index) => source.get(index, first)));
      for (const sample of samples) checkSample(sample);
      assert.deepEqual(
        samples.map(({ id, task, turns }) => [id, task, turns.at(-1)?.answer]),
        [
          ['own-0.tar/a/1', 'caption', 'Two blocks.'],
          ['own-0.tar/a/2', 'caption', 'One block.'],
          ['own-1.tar/a/1', 'refer', '{<10><20><50><50>}'],
          ['own-1.tar/a/2', 'conversation', 'Yes.'],
        ],
      );
      assert.deepEqual(samples[2]?.boxes, [[0.1, 0.2, 0.5, 0.5]]);
      assert.match(samples[0]?.turns[0]?.question ?? '', /^\[caption\] /);
    }
  });

  test('records that break the rules are left out and counted, each with what is wrong', async () => {
    const root = await tarWith([
      { turns, task: 'vqa' },
      { turns: [], task: 'vqa' },
      { turns, task: 'vqa', image: 'other.jpg' },
      { turns, task: 'vqa', unknown: 1 },
      { caption: ' ' },
      { turns, task: 'text' },
      [],
      [{ turns }, 1],
    ]);
    const source = await webdataset.open({ root });
    assert.equal(source.length, 1);
    assert.match(source.notes.join('\n'), /4 rows left out, invalid record: own\.tar\/1: turns/);
    assert.match(source.notes.join('\n'), /1 row left out, no caption/);
    assert.match(source.notes.join('\n'), /2 rows left out, damaged columns/);
  });

  test('a list has a sample for each record, which share the image; names that records give are theirs, once', async () => {
    const root = await tarWith([
      [{ turns, task: 'vqa' }, { caption: 'c' }, { turns, id: 'mine' }],
      { turns, id: 'mine' },
    ]);
    for (const source of [await webdataset.open({ root }), await throughIndex(root)]) {
      const samples = await samplesOf(source);
      assert.deepEqual(
        samples.map(({ id, task }) => [id, task]),
        [
          ['own.tar/0:1', 'vqa'],
          ['own.tar/0:2', 'caption'],
          ['mine', 'caption'],
        ],
      );
      assert.ok(samples.every(({ image }) => image !== undefined && image === samples[0]?.image));
      assert.match(source.notes.join('\n'), /own\.tar\/1: id: mine stands twice/);
    }
  });

  test('records without an image are texts and conversations; no other task and no caption goes without', async () => {
    const root = temporaryFolder('tristage-wds-');
    const records = [
      { turns, task: 'text' },
      { turns, task: 'conversation' },
      { turns, task: 'vqa' },
      { caption: 'c' },
    ];
    await writeTar(
      join(root, 'own.tar'),
      records.map((record, place) => ({ name: `${place}.json`, content: JSON.stringify(record) })),
    );
    const source = await throughIndex(root);
    assert.deepEqual(
      (await samplesOf(source)).map(({ id, task, image }) => [id, task, image]),
      [
        ['own.tar/0', 'text', undefined],
        ['own.tar/1', 'conversation', undefined],
      ],
    );
    assert.match(source.notes.join('\n'), /image: vqa needs one[\s\S]*no image: own\.tar\/3/);
  });

  test('pixels are measured against the picture beside them: a box outside it is refused when the index is made', async () => {
    const box = (corners: number[]) => ({
      task: 'refer',
      turns: [{ question: 'a', answer: '<box:a>' }],
      boxes: { a: corners },
      unit: 'pixels',
    });
    const root = await tarWith([box([0, 0, 100, 50]), box([0, 0, 100, 90])]);
    const opened = await webdataset.open({ root });
    await assert.rejects(opened.get(1, first), { code: 'E_SAMPLE', found: /leaves the image of 100 x 50/ });
    const indexed = await throughIndex(root);
    assert.equal(indexed.length, 1);
    assert.deepEqual((await indexed.get(0, first)).boxes, [[0, 0, 1, 1]]);
  });

  test('records without a task get that of the line', async () => {
    const root = await tarWith([{ turns }]);
    assert.equal(
      (await (await webdataset.open({ root, task: 'vqa', wording: false })).get(0, first)).turns[0]?.question,
      '[vqa] a?',
    );
  });
});

async function throughIndex(root: string) {
  assert.ok(isRowSource(webdataset));
  const place = { index: join(temporaryFolder('tristage-wds-'), 'index') };
  return (await openIndexed(webdataset.plan({ root }), { place, verify: 'headers', tool: 'test', info: () => {} }))
    .source;
}
