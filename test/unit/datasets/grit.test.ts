import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { grit } from '../../../datasets/grit.ts';
import { bytesOfImage } from '../../../lib/data/image-bytes.ts';
import { openIndexed } from '../../../lib/data/index/ensure.ts';
import { writeTar } from '../../../lib/formats/tar-writer.ts';
import { counting } from './emoji-support.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-grit-'));
});
after(() => rm(folder, { recursive: true, force: true }));

let tars = 0;
async function written(records: readonly unknown[]): Promise<string> {
  const root = join(folder, `${tars++}.tar`);
  const entries = records.flatMap((record, place) => [
    { name: `00000000${place}.jpg`, content: `picture ${place}` },
    { name: `00000000${place}.json`, content: typeof record === 'string' ? record : JSON.stringify(record) },
  ]);
  await writeTar(root, entries);
  return root;
}

async function open(records: readonly unknown[], options: Record<string, unknown> = {}) {
  return grit.open({ root: await written(records), ...options });
}

/** The source through its index in a cache. */
async function indexed(root: string, options: Record<string, unknown>) {
  const request = { place: { cache: join(folder, 'cache') }, verify: 'quick', tool: 'test', info: () => {} } as const;
  return { root, ...(await openIndexed(grit.plan({ root, ...options }), request)) };
}

const CAPTION = 'a wire hanger with a paper cover and a paper cover';
const HANGER = [0, 13, 0.1, 0.2, 0.5, 0.999, 0.9];
const COVER = [19, 32, 0.5, 0.5, 0.75, 1, 0.8];
const record = (noun: readonly unknown[], ref: readonly unknown[] = noun, more: object = {}) => ({
  caption: CAPTION,
  noun_chunks: noun,
  ref_exps: ref,
  ...more,
});

describe('grit', () => {
  test('an expression gives its box and a box its expression', async () => {
    const wide = [[0, 32, 0.1, 0.2, 0.5, 0.999, 0.9]];
    const refer = await (await open([record([HANGER, COVER], wide)], { task: 'refer' })).get(0, () => 0);
    assert.deepEqual(refer.turns, [
      { question: '[refer] a wire hanger with a paper cover', answer: '{<10><20><50><99>}' },
    ]);
    assert.deepEqual(refer.boxes, [[0.1, 0.2, 0.5, 0.999]]);
    const identify = await (await open([record([HANGER])], { task: 'identify', rounding: 'round' })).get(0, () => 0);
    assert.deepEqual(identify.turns, [{ question: '[identify] {<10><20><50><100>}', answer: 'a wire hanger' }]);
    assert.ok(refer.image && 'offset' in refer.image);
    assert.equal(Buffer.from(await bytesOfImage(refer.image)).toString(), 'picture 0');
  });

  test('noun chunks stand in where no expression points at one object', async () => {
    const twice = [
      [19, 32, ...COVER.slice(2)],
      [37, 50, 0, 0, 0.2, 0.2, 0.8],
    ];
    const source = await open([record([HANGER], twice)], { task: 'refer' });
    assert.match((await source.get(0, () => 0)).turns[0]!.question, /a wire hanger$/);
  });

  test('a grounded caption keeps its words, joins boxes of a phrase, and leaves nested phrases out', async () => {
    const nested = [2, 13, 0, 0, 1, 1, 0.9];
    const second = [19, 32, 0, 0, 0.25, 0.5, 0.7];
    const low = [37, 50, 0, 0, 1, 1, 0.5];
    const source = await open([record([COVER, nested, second, HANGER, low])], { task: 'grounding' });
    const { turns, boxes } = await source.get(0, counting());
    assert.equal(
      turns[0]!.answer,
      '<p>a wire hanger</p> {<10><20><50><99>} with <p>a paper cover</p> {<50><50><75><100>}<delim>{<0><0><25><50>} and a paper cover',
    );
    assert.equal(boxes!.length, 3);
  });

  test('offsets count code points as Python does, so an emoji does not shift the phrases behind it', async () => {
    const caption = '😀😀 a paper cover';
    const source = await open([{ caption, noun_chunks: [[3, 16, 0, 0, 0.5, 0.5, 0.9]] }], { task: 'grounding' });
    assert.equal((await source.get(0, () => 0)).turns[0]!.answer, '😀😀 <p>a paper cover</p> {<0><0><50><50>}');
  });

  test('columns kept as text are read', async () => {
    const source = await open([record(JSON.stringify([HANGER]) as never)], { task: 'refer' });
    assert.match((await source.get(0, () => 0)).turns[0]!.question, /a wire hanger/);
  });

  test('one index serves every task, and each leaves out and counts the records that have nothing for it', async () => {
    const low = [0, 13, 0, 0, 1, 1, 0.3];
    const records = [record([low]), record([HANGER]), record([]), record([HANGER, [0, 13, 0, 0, 0.1, 0.1, 0.9]])];
    const refer = await indexed(await written(records), { task: 'refer' });
    assert.equal(refer.built, true);
    assert.equal(refer.source.length, 1);
    assert.match(refer.source.notes.join(), /^3 rows left out, unusable sample: .*no phrase of one object/);
    assert.match((await refer.source.get(0, () => 0)).id, /^\d+\.tar\/000000001$/);
    const grounding = await indexed(refer.root, { task: 'grounding' });
    assert.deepEqual([grounding.built, grounding.source.length], [false, 2]);
    const unsure = await indexed(refer.root, { task: 'refer', minScore: 0.1 });
    assert.deepEqual([unsure.built, unsure.source.length], [false, 2]);
    assert.notEqual(unsure.source.fingerprint, refer.source.fingerprint);
    await assert.rejects(indexed(await written([record([low])]), { task: 'refer' }), {
      code: 'E_SOURCE',
      kind: 'data',
    });
  });

  const damaged: readonly [what: string, record: unknown, found: RegExp][] = [
    ['a row of six numbers', record([HANGER.slice(0, 6)]), /not seven numbers/],
    ['a number that is none', record([['0', ...HANGER.slice(1)]]), /not seven numbers/],
    ['a span outside the caption', record([[0, 99, ...HANGER.slice(2)]]), /characters 0 to 99 of a caption of 50/],
    ['a span that runs backwards', record([[13, 0, ...HANGER.slice(2)]]), /characters 13 to 0/],
    ['a box without area', record([[0, 13, 0.5, 0.5, 0.5, 0.9, 0.9]]), /the box/],
    ['a box outside the image', record([[0, 13, 1.5, 0.5, 1.8, 0.9, 0.9]]), /the box/],
    ['rows that are no list', record({ a: 1 } as never), /object in place of rows/],
    ['text that is no JSON', record('nonsense' as never), /nonsense/],
    ['a caption that holds markup', { ...record([HANGER]), caption: `${CAPTION} {<1><2><3><4>}` }, /holds/],
    ['no caption', { noun_chunks: [HANGER] }, /no caption/],
    [
      'a padded image',
      record([HANGER], [HANGER], { width: 224, height: 224, original_width: 640, original_height: 480 }),
      /640 x 480 stored as 224 x 224/,
    ],
  ];
  for (const [what, bad, found] of damaged) {
    test(`${what} is an E_SAMPLE that names the sample`, async () => {
      const source = await open([bad, record([HANGER])], { task: 'refer' });
      assert.equal(source.length, 2);
      await assert.rejects(
        source.get(0, () => 0),
        (error: { code: string; where: string; found: string }) => {
          assert.equal(error.code, 'E_SAMPLE');
          assert.match(error.where, /000000000/);
          assert.match(error.found, found);
          return true;
        },
      );
      assert.equal((await source.get(1, () => 0)).turns.length, 1);
    });
  }

  test('columns that are no object of JSON are left out and counted', async () => {
    const source = await open(['{"caption": ', '[1]', record([HANGER])], { task: 'refer' });
    assert.equal(source.length, 1);
    assert.match(source.notes.join(), /^2 rows left out, damaged columns/);
  });

  test('an image resized with its ratio kept is accepted, rounding included', async () => {
    const sizes = { width: 256, height: 171, original_width: 1000, original_height: 667 };
    const source = await open([record([HANGER], [HANGER], sizes)], { task: 'refer' });
    assert.deepEqual((await source.get(0, () => 0)).boxes, [[0.1, 0.2, 0.5, 0.999]]);
  });

  test('it is a weak source, so that stages can refuse it', () => assert.equal(grit.kind, 'weak'));
});
