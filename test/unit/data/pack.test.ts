import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { packExamples } from '../../../lib/data/pack.ts';
import { blockMask, padPackedRows } from '../../../lib/data/packed-batch.ts';
import { type Example, IGNORE, IMAGE_SLOT, type ImageRef } from '../../../lib/data/sample.ts';

const A: ImageRef = { path: 'a.png' };
const B: ImageRef = { path: 'b.png' };

/** A row `1 IMAGE IMAGE question | answer 2`; without image no slots. */
function example(id: string, image: ImageRef | undefined, question: number[], answer: number[]): Example {
  const prompt = [1, ...(image === undefined ? [] : [IMAGE_SLOT, IMAGE_SLOT]), ...question];
  return {
    id,
    task: 'vqa',
    tokenIds: Int32Array.from([...prompt, ...answer, 2]),
    labels: Int32Array.from([...prompt.map(() => IGNORE), ...answer, 2]),
    images: image === undefined ? [] : [image],
    contextLength: prompt.length - 1,
  };
}

const pack = (examples: readonly Example[], maxTokens: number) => packExamples(examples, { maxTokens, imageTokens: 2 });

describe('packExamples', () => {
  test('questions about one image become branches behind one prefix', () => {
    const { rows, savedTokens, fill } = pack([example('x', A, [5, 6], [7]), example('y', A, [5, 8], [9, 9])], 16);
    assert.equal(rows.length, 1);
    const [row] = rows;
    assert.deepEqual([...(row?.tokenIds ?? [])], [1, -200, -200, 5, 6, 7, 2, 8, 9, 9, 2]);
    assert.deepEqual([...(row?.labels ?? [])], [-100, -100, -100, -100, -100, 7, 2, -100, 9, 9, 2]);
    assert.deepEqual([...(row?.positions ?? [])], [0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7]);
    assert.deepEqual([...(row?.branches ?? [])], [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2]);
    assert.deepEqual([...(row?.owners ?? [])], [-1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1]);
    assert.deepEqual(row?.images, [A]);
    assert.deepEqual([savedTokens, fill], [4, 11 / 16]);
  });

  test('one question with two answers keeps the token before the answer in each branch', () => {
    const [row] = pack([example('x', A, [5], [7]), example('y', A, [5], [8])], 16).rows;
    assert.deepEqual([...(row?.tokenIds ?? [])], [1, -200, -200, 5, 7, 2, 5, 8, 2]);
    assert.deepEqual([...(row?.branches ?? [])], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  test('equal slots of different images are not shared, nor is the start of texts', () => {
    const { rows, savedTokens } = pack(
      [
        example('x', A, [5], [7]),
        example('y', B, [5], [7]),
        example('u', undefined, [5], [7]),
        example('v', undefined, [5], [7]),
      ],
      100,
    );
    assert.equal(savedTokens, 0);
    assert.deepEqual(
      rows.map(({ images }) => images),
      [[A, B]],
    );
    assert.deepEqual(new Set(rows[0]?.groups), new Set([0, 1, 2, 3]));
  });

  test('a group longer than a row becomes several, an example longer than a row is reported', () => {
    const five = ['p', 'q', 'r', 's', 't'].map((id, place) => example(id, A, [10 + place], [7]));
    const long = example('long', A, [5, 5, 5, 5, 5, 5, 5, 5], [7]);
    const { rows, overlong } = pack([...five, long], 10);
    assert.deepEqual(overlong, [long]);
    assert.deepEqual(
      rows.map((row) => row.examples.map(({ id }) => id)),
      [['p', 'q'], ['r', 's'], ['t']],
    );
  });

  test('groups fill rows best', () => {
    const sized = (id: string, size: number): Example => example(id, undefined, Array(size - 3).fill(5), [7]);
    const { rows, fill } = pack([sized('a', 4), sized('b', 6), sized('c', 7), sized('d', 3)], 10);
    assert.deepEqual(
      rows.map((row) => row.examples.map(({ id }) => id)),
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    );
    assert.equal(fill, 1);
  });

  test('as many rows as needed are made as even as they can be, since the longest decides what is padded', () => {
    const five = ['a', 'b', 'c', 'd', 'e'].map((id) => example(id, undefined, [5, 5], [7]));
    const { rows } = pack(five, 20);
    assert.deepEqual(
      rows.map((row) => row.tokenIds.length),
      [15, 10],
    );
  });

  test('a long group gives a row as many of its questions as fill it, and the others go together', () => {
    const sizes = [9, 9, 9, 12, 12, 4];
    const group = sizes.map((size, place) => example(`${place}`, A, [20 + place, ...Array(size - 3).fill(5)], [7]));
    // The prefix is BOS and two slots; behind it 27 places, which 12, 9 and 4 nearly fill and 9, 9 and 9 do wholly.
    const { rows } = pack(group, 30);
    assert.deepEqual(
      rows.map((row) => row.examples.map(({ id }) => id)),
      [['0', '1', '2'], ['3', '4'], ['5']],
    );
    assert.equal(rows[0]?.tokenIds.length, 30);
  });

  test('a cut image and a supervised first token are refused', () => {
    const cut = { ...example('cut', A, [5], [7]), images: [A, B] };
    assert.throws(() => pack([cut], 100), { code: 'E_PACK', where: 'cut' });
    const headless: Example = { ...example('bare', undefined, [], [7]), labels: Int32Array.from([1, 7, 2]) };
    assert.throws(() => pack([headless], 100), { code: 'E_PACK', where: 'bare' });
  });

  test('no examples give no rows', () => {
    assert.deepEqual(pack([], 10), { rows: [], overlong: [], fill: 1, savedTokens: 0 });
    assert.throws(() => padPackedRows([]), { code: 'E_PACK' });
  });
});

test('the block mask of two groups, one with two branches', () => {
  const groups = Int32Array.from([0, 0, 0, 0, 1, 1]);
  const branches = Int32Array.from([0, 1, 1, 2, 1, 1]);
  const rows = ['100000', '110000', '111000', '100100', '000010', '000011'];
  assert.deepEqual(
    [...blockMask({ groups, branches })],
    rows.flatMap((row) => [...row].map(Number)),
  );
});
