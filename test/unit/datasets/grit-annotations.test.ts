import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { grit } from '../../../datasets/grit.ts';
import { joinAnnotations } from '../../../datasets/grit-annotations.ts';
import { checkSample, type Sample } from '../../../lib/data/sample.ts';
import { GRIT_ROWS, makeGrit, makeGritApart, writeGritParquet } from '../../data/make/grit.ts';
import { writeWebTars } from '../../data/make/web-tars.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const first = (): number => 0;
const TASKS = ['refer', 'identify', 'grounding', 'caption'] as const;

async function samples(options: { root: string } & Record<string, unknown>): Promise<Sample[]> {
  const source = await grit.open(options);
  const all = await Promise.all(Array.from({ length: source.length }, (_, index) => source.get(index, first)));
  for (const sample of all) checkSample(sample);
  return all;
}

const said = ({ task, turns, boxes }: Sample) => ({ task, turns, boxes });

describe('grit with its annotations apart', () => {
  test('parquet and JSON lines, joined by id or by url, give what the columns in tars give, for every task', async () => {
    const whole = temporaryFolder('tristage-grit-');
    await makeGrit(whole);
    for (const keep of ['id', 'url'] as const) {
      const root = temporaryFolder('tristage-grit-');
      await makeGritApart(root, keep);
      for (const task of TASKS) {
        const expected = (await samples({ root: whole, task })).map(said);
        assert.equal(expected.length, GRIT_ROWS.length);
        for (const annotations of ['annotations', 'jsonl', 'jsonl/grit_coyo.jsonl']) {
          assert.deepEqual((await samples({ root, task, annotations: join(root, annotations) })).map(said), expected);
        }
      }
    }
  });

  test('each annotation meets its own picture', async () => {
    const root = temporaryFolder('tristage-grit-');
    await makeGritApart(root, 'id');
    const joined = await samples({ root, task: 'refer', annotations: join(root, 'annotations') });
    assert.deepEqual(
      joined.map(({ id, boxes }) => [id, boxes?.[0]?.[1]]),
      GRIT_ROWS.map((_, place) => [
        `0000${Math.floor(place / 3)}.tar/0000${Math.floor(place / 3)}000${place % 3}`,
        0.1 * place,
      ]),
    );
  });

  test('pictures without annotation are left out and counted, annotations without picture are nothing', async () => {
    const root = temporaryFolder('tristage-grit-');
    await makeGritApart(root, 'id');
    writeGritParquet(join(root, 'some.parquet'), [
      ...GRIT_ROWS.slice(2),
      { ...GRIT_ROWS[0]!, id: 1, url: 'https://example.org/none' },
    ]);
    const source = await grit.open({ root, annotations: join(root, 'some.parquet') });
    assert.equal(source.length, 5);
    assert.match(source.notes.join(), /^2 rows left out, no annotation: 00000\.tar\/000000000/);
  });

  test('other annotations give another fingerprint', async () => {
    const root = temporaryFolder('tristage-grit-');
    await makeGritApart(root, 'id');
    const before = await grit.open({ root, annotations: join(root, 'annotations') });
    writeGritParquet(join(root, 'annotations/coyo_1_snappy.parquet'), GRIT_ROWS.slice(5));
    assert.notEqual(
      (await grit.open({ root, annotations: join(root, 'annotations') })).fingerprint,
      before.fingerprint,
    );
  });

  test('tars without columns say how the annotations are named; folders without any and damaged files are errors', async () => {
    const root = temporaryFolder('tristage-grit-');
    await makeGritApart(root, 'id');
    const bare = await grit.open({ root, task: 'refer' });
    await assert.rejects(bare.get(0, first), { code: 'E_SAMPLE', found: /annotations/ });
    await assert.rejects(grit.open({ root, annotations: temporaryFolder('tristage-grit-') }), { code: 'E_SOURCE' });
    await assert.rejects(grit.open({ root, annotations: join(root, 'absent.parquet') }), { code: 'E_SOURCE' });
    await writeFile(join(root, 'bad.parquet'), 'PAR1 and no more');
    await assert.rejects(grit.open({ root, annotations: join(root, 'bad.parquet') }), {
      code: 'E_PARQUET',
      kind: 'data',
    });
    assert.equal((await samples({ root, task: 'caption' })).length, GRIT_ROWS.length);
  });

  test('expressions follow the rule for texts; one that it leaves nothing of is not asked for', async () => {
    const root = temporaryFolder('tristage-grit-');
    const spans = [
      [0, 3, 0, 0, 0.5, 0.5, 0.9],
      [4, 19, 0.5, 0.5, 1, 1, 0.9],
    ];
    await writeWebTars(root, [{ caption: '!!! The 3.5 m Table', seed: 0, columns: { noun_chunks: spans } }]);
    for (const [text, expected] of [
      ['reference', 'the 3 5 m table'],
      ['keep-numbers', 'the 3.5 m table'],
      ['verbatim', '!!!'],
    ]) {
      const [sample] = await samples({ root, task: 'identify', text });
      assert.equal(sample?.turns[0]?.answer, expected);
    }
    const [caption] = await samples({ root, task: 'caption', text: 'verbatim' });
    assert.equal(caption?.turns[0]?.answer, '!!! The 3.5 m Table');
  });
});

describe('the join of tars and annotations', () => {
  const row = (place: number) => ({ id: `row ${place}`, record: { columns: { id: place } } });
  const annotation = (place: number) => ({ id: place, caption: `caption ${place}` });

  async function joined(tars: readonly number[], published: readonly number[], group: number) {
    const rejected: string[] = [];
    let read = 0;
    const rows = joinAnnotations(
      {
        rows: stream(tars.map(row)),
        annotations: () =>
          stream(published.map(annotation), () => {
            read += 1;
          }),
        joined: (_, { caption }) => caption,
        group,
      },
      { reject: (reason, where) => rejected.push(`${reason}: ${where}`) },
    );
    const found: [string, unknown][] = [];
    for await (const { id, record } of rows) found.push([id, record]);
    return { found, rejected, read };
  }

  async function* stream<T>(items: readonly T[], onRead: () => void = () => {}): AsyncIterable<T> {
    for (const item of items) {
      onRead();
      yield item;
    }
  }

  const numbers = Array.from({ length: 40 }, (_, place) => place);

  test('tars in the order of the annotations need one reading, whatever was lost between', async () => {
    const kept = numbers.filter((place) => place % 3 !== 1);
    const { found, rejected, read } = await joined(kept, numbers, 5);
    assert.deepEqual(
      found,
      kept.map((place) => [`row ${place}`, `caption ${place}`]),
    );
    assert.deepEqual(rejected, []);
    assert.ok(read <= numbers.length);
  });

  test('any other order gives the same pairs', async () => {
    const mixed = numbers.map((place) => (place * 17) % 40);
    for (const group of [1, 7, 40, 100]) {
      const { found, rejected } = await joined(mixed, numbers, group);
      assert.deepEqual(new Map(found), new Map(numbers.map((place) => [`row ${place}`, `caption ${place}`])));
      assert.deepEqual(rejected, []);
      assert.equal(found.length, 40);
    }
  });

  test('what has no annotation costs one round for its group and is counted', async () => {
    const { found, rejected, read } = await joined([0, 1, 99, 2, 3, 4], numbers, 3);
    assert.equal(found.length, 5);
    assert.deepEqual(rejected, ['no annotation: row 99']);
    assert.ok(read <= 2 * numbers.length + 5, String(read));
  });

  test('a picture that stands twice in a group is counted, one without id and url too', async () => {
    const { rejected } = await joined([1, 1, Number.NaN, 2], numbers, 10);
    assert.deepEqual(rejected, ['image twice: row 1', 'no annotation: row NaN']);
  });
});
