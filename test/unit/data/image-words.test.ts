import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageWords, wordWeights } from '../../../lib/data/image-words.ts';
import { IGNORE, IMAGE_SLOT } from '../../../lib/data/sample.ts';

const END = 2;
const S = IMAGE_SLOT;
const words = (batch: Parameters<typeof imageWords>[0]): number[][] => imageWords(batch, 2, END).map((ids) => [...ids]);

/** Rows of which the marked places are supervised. */
function rows(...given: { ids: number[]; from: number }[]) {
  const T = Math.max(...given.map(({ ids }) => ids.length));
  const padded = given.map(({ ids }) => [...ids, ...new Array<number>(T - ids.length).fill(0)]);
  return {
    tokenIds: Int32Array.from(padded.flat()),
    labels: Int32Array.from(
      given.flatMap(({ ids, from }) => Array.from({ length: T }, (_, i) => (i >= from ? (ids[i] ?? IGNORE) : IGNORE))),
    ),
    shape: [given.length, T] as const,
  };
}

test('each row says its own words of its image, without the token that ends them', () => {
  const batch = rows({ ids: [1, S, S, 7, 8, 9, END], from: 4 }, { ids: [1, S, S, 5, END], from: 3 });
  assert.deepEqual(words(batch), [[8, 9], [5]]);
});

test('a row of text names no image, and images of one row share its words', () => {
  const batch = rows({ ids: [1, 7, 8, END], from: 2 }, { ids: [1, S, S, S, S, 5, END], from: 5 });
  assert.deepEqual(words(batch), [[5], [5]]);
});

test('in packed rows words stay with their group, and an image of a branch with its branch', () => {
  const batch = {
    ...rows({ ids: [1, S, S, 7, END, 8, END, 1, S, S, 9, S, S, 6, END], from: 3 }),
    blocks: {
      groups: Int32Array.from([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
      branches: Int32Array.from([0, 0, 0, 1, 1, 2, 2, 0, 0, 0, 1, 2, 2, 2, 2]),
    },
  };
  const labels = batch.labels.map((label) => (label === S || label === 1 ? IGNORE : label));
  assert.deepEqual(words({ ...batch, labels }), [[7, 8], [9, 6], [6]]);
});

test('a word weighs by its rarity, and those of an image sum to 1', () => {
  const [first, second, third] = wordWeights([Int32Array.of(1, 2, 2), Int32Array.of(1, 3), Int32Array.of(1)]) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [common, rare] = [Math.log(4 / 3), Math.log(4)];
  const near = (found: Float32Array, wanted: number[]): void =>
    assert.deepEqual(
      Array.from(found, (value) => Math.round(value * 1e6) / 1e6),
      wanted.map((value) => Math.round(value * 1e6) / 1e6),
    );
  near(first, [common / (common + 2 * rare), rare / (common + 2 * rare), rare / (common + 2 * rare)]);
  near(second, [common / (common + rare), rare / (common + rare)]);
  near(third, [1]);
});
