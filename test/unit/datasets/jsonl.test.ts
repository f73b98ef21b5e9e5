import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { jsonl } from '../../../datasets/jsonl.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeJsonl } from '../../data/make/jsonl.ts';
import { jsonLinesOf, writeContent, writePicture } from '../../data/make/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const first = (): number => 0;
const good = { task: 'text', turns: [{ question: 'a?', answer: 'b' }] };
const seen = (more: object) => ({ image: 'a.jpg', task: 'vqa', turns: [{ question: 'a?', answer: 'b' }], ...more });
const refer = (boxes: unknown, unit: unknown = 'pixels', more: object = {}) =>
  seen({ task: 'refer', turns: [{ question: 'cup', answer: '<box:cup>' }], boxes, unit, ...more });

async function folderWith(records: readonly unknown[] | string): Promise<string> {
  const root = temporaryFolder('tristage-jsonl-');
  await writePicture(join(root, 'a.jpg'), { width: 200, height: 100 });
  await writeContent(join(root, 'data.jsonl'), typeof records === 'string' ? records : jsonLinesOf(records));
  return root;
}

async function failure(root: string, options: object = {}): Promise<TristageError> {
  const error = await jsonl.open({ root, ...options }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TristageError, 'it must fail');
  return error;
}

describe('jsonl', () => {
  test('records of every kind become samples', async () => {
    const root = temporaryFolder('tristage-jsonl-');
    await makeJsonl(root);
    const source = await jsonl.open({ root });
    assert.equal(source.length, 6);
    const samples = await Promise.all(Array.from({ length: 6 }, (_, index) => source.get(index, first)));
    for (const sample of samples) checkSample(sample);
    assert.deepEqual(
      samples.map(({ id, task }) => [id, task]),
      [
        ['train.jsonl:1', 'vqa'],
        ['train.jsonl:2', 'caption'],
        ['red-block', 'refer'],
        ['train.jsonl:4', 'detection'],
        ['train.jsonl:5', 'conversation'],
        ['train.jsonl:6', 'text'],
      ],
    );
    assert.deepEqual(samples[2], {
      id: 'red-block',
      source: 'jsonl',
      task: 'refer',
      image: { path: join(root, 'photos/1.jpg') },
      turns: [{ question: '[refer] the red block', answer: '{<10><10><50><50>}' }],
      boxes: [[0.1, 0.1, 0.5, 0.5]],
    });
    assert.equal(samples[3]?.turns[0]?.answer, '<p>block</p> {<10><10><50><50>}<delim>{<60><10><100><50>}');
    assert.equal(samples[4]?.turns[1]?.question, '[identify] what is in {<0><0><50><100>}?');
    assert.match(samples[1]?.turns[0]?.question ?? '', /^\[caption\] \w/);
    assert.deepEqual(samples[5]?.turns, [{ question: 'What is 3.5 + 0.5?', answer: '4.0' }]);
    assert.equal(samples[5]?.image, undefined);
  });

  test('wordings are drawn around questions, or questions stand as they are behind their identifier', async () => {
    const root = await folderWith([
      seen({}),
      seen({ task: 'caption', turns: [{ question: 'In one word?', answer: 'b' }] }),
    ]);
    const drawn = await jsonl.open({ root });
    assert.match((await drawn.get(0, () => 1)).turns[0]?.question ?? '', /^\[vqa\] .+: a\?$/);
    assert.equal((await drawn.get(1, first)).turns[0]?.question, '[caption] In one word?');
    const plain = await jsonl.open({ root, wording: false });
    assert.equal((await plain.get(0, () => 1)).turns[0]?.question, '[vqa] a?');
  });

  const faults: readonly [what: string, record: unknown, fault: RegExp][] = [
    ['no object', [1], /expected object/],
    ['an unknown key', seen({ imgae: 'a.jpg' }), /imgae/],
    ['no turns', seen({ turns: [] }), /turns/],
    ['an empty answer', seen({ turns: [{ question: 'a?', answer: ' ' }] }), /turns.0.answer: empty/],
    ['no question', seen({ turns: [{ answer: 'b' }] }), /turns.0.question: empty/],
    ['another task', seen({ task: 'vqaa' }), /task/],
    [
      'an identifier that would stand twice',
      seen({ turns: [{ question: '[vqa] a?', answer: 'b' }] }),
      /without \[vqa\]/,
    ],
    [
      'an image token in a later turn',
      seen({ task: 'conversation', turns: [good.turns[0], { question: '<image> c?', answer: 'd' }] }),
      /turns.1.question: the image is given by image/,
    ],
    ['several turns of one task', seen({ turns: [good.turns[0], good.turns[0]] }), /conversation may have more/],
    ['a picture that is missing', seen({ image: 'b.jpg' }), /b.jpg is missing/],
    ['a task that needs a picture', { ...good, task: 'vqa' }, /image: vqa needs one/],
    ['a text with a picture', seen({ task: 'text' }), /a text sample has none/],
    ['boxes without unit', seen({ boxes: { cup: [1, 1, 9, 9] } }), /unit: pixels or fractions/],
    ['a box that is not there', refer({ cap: [1, 1, 9, 9] }), /no box is named cup/],
    ['width and height for corners', refer({ cup: [50, 50, 20, 20] }), /boxes.cup: x1 < x2/],
    ['fractions said to be pixels', refer({ cup: [0.1, 0.1, 0.5, 0.5] }), /is the unit fractions\?/],
    ['pixels said to be fractions', refer({ cup: [1, 1, 50, 50] }, 'fractions'), /is the unit pixels\?/],
    ['a box outside the picture', refer({ cup: [150, 10, 250, 50] }), /leaves the image of 200 x 100/],
    ['a box of three numbers', refer({ cup: [1, 2, 3] }), /boxes.cup/],
    ['a box that is no number', refer({ cup: [1, 2, 3, null] }), /boxes.cup/],
  ];
  for (const [what, record, fault] of faults) {
    test(`${what} is an error with file and line`, async () => {
      const root = await folderWith([good, record, good]);
      const error = await failure(root);
      assert.deepEqual([error.code, error.kind, error.where], ['E_RECORD', 'data', `${join(root, 'data.jsonl')}:2`]);
      assert.match(error.found ?? '', fault);
      const left = await jsonl.open({ root, invalid: 'skip' });
      assert.equal(left.length, 2);
      assert.match(left.notes.join('\n'), /invalid record/);
    });
  }

  test('all faulty lines are listed at once, up to ten', async () => {
    const root = await folderWith([good, ...new Array(12).fill({}), good]);
    const { found, message } = await failure(root);
    assert.equal(found?.split('\n').length, 10);
    assert.match(message, /rest/);
    assert.equal((await failure(await folderWith([{}, good, {}]))).found?.split('\n').length, 2);
  });

  test('lines that are no JSON, blank lines, a missing last newline, and newlines of other systems', async () => {
    const line = JSON.stringify(good);
    assert.match((await failure(await folderWith(`${line}\n{"a":\n`))).found ?? '', /:2: no JSON/);
    assert.equal((await jsonl.open({ root: await folderWith(`\n${line}\r\n\n  \n${line}`) })).length, 2);
    const odd = await folderWith(jsonLinesOf([{ ...good, turns: [{ question: 'a\u2028b', answer: 'c\u0085d' }] }]));
    assert.equal((await (await jsonl.open({ root: odd })).get(0, first)).turns[0]?.question, 'a\u2028b');
    const bytes = await folderWith([good]);
    await writeFile(
      join(bytes, 'data.jsonl'),
      Buffer.concat([Buffer.from(`${line}\n`), Buffer.from([0x22, 0xff, 0x22, 0x0a])]),
    );
    assert.match((await failure(bytes)).found ?? '', /:2: no UTF-8/);
  });

  test('a record of more than one piece of the file is read whole, and a line without end is no record', async () => {
    const answer = 'word '.repeat(500_000).trim();
    const root = await folderWith([good, { ...good, turns: [{ question: 'a?', answer }] }, good]);
    const source = await jsonl.open({ root });
    assert.equal((await source.get(1, first)).turns[0]?.answer.length, answer.length);
    await writeFile(join(root, 'data.jsonl'), Buffer.concat([Buffer.alloc(17 << 20, 0x20), Buffer.from('\n')]));
    assert.match((await failure(root)).found ?? '', /:1: .*too long/);
  });

  test('ids are given once', async () => {
    const root = await folderWith([{ ...good, id: 'x' }, good, { ...good, id: 'x' }]);
    assert.match((await failure(root)).found ?? '', /:3: id: x stands twice/);
  });

  test('a box may leave the picture by the rounding of a pixel, and is cut there', async () => {
    const source = await jsonl.open({ root: await folderWith([refer({ cup: [-1, 0, 201, 100.5] })]) });
    assert.deepEqual((await source.get(0, first)).boxes, [[0, 0, 1, 1]]);
  });

  test('all files of the folder are read in order, images lie where it is said, and the task of the line is the usual one', async () => {
    const root = await folderWith([seen({})]);
    const more = temporaryFolder('tristage-jsonl-');
    await writeContent(
      join(more, 'b.jsonl'),
      jsonLinesOf([{ image: 'a.jpg', turns: [{ question: 'b?', answer: 'c' }] }]),
    );
    await writeContent(
      join(more, 'a.jsonl'),
      jsonLinesOf([{ image: 'a.jpg', turns: [{ question: 'a?', answer: 'c' }] }]),
    );
    const source = await jsonl.open({ root: more, images: root, task: 'vqa' });
    const samples = await Promise.all([0, 1].map((index) => source.get(index, first)));
    assert.deepEqual(
      samples.map(({ id, turns }) => [id, turns[0]?.question]),
      [
        ['a.jsonl:1', '[vqa] a?'],
        ['b.jsonl:1', '[vqa] b?'],
      ],
    );
    assert.equal((await jsonl.open({ root: more, images: root })).length, 2);
    await assert.rejects(jsonl.open({ root: temporaryFolder('tristage-jsonl-') }), { code: 'E_SOURCE' });
    await assert.rejects(jsonl.open({ root, annotations: join(root, 'absent.jsonl') }), { kind: 'data' });
  });
});
