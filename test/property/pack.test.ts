/** Packing loses nothing, repeats nothing, mixes nothing, for any examples. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { packExamples } from '../../lib/data/pack.ts';
import { blockMask, NO_OWNER, PADDING_GROUP, type PackedRow, padPackedRows } from '../../lib/data/packed-batch.ts';
import { type Example, IGNORE, IMAGE_SLOT, type ImageRef } from '../../lib/data/sample.ts';

const IMAGE_TOKENS = 3;
const IMAGES: ImageRef[] = Array.from({ length: 4 }, (_, place) => ({ path: `${place}.png` }));
const BOS = 1;
const OPEN = 2;
const CLOSE = 3;

/** What an example is made of; ids are small, so that prefixes often agree by accident beyond the image. */
const recipe = fc.record({
  images: fc.subarray([0, 1, 2, 3], { maxLength: 2 }),
  question: fc.array(fc.integer({ min: 4, max: 6 }), { maxLength: 5 }),
  turns: fc.array(
    fc.record({
      answer: fc.array(fc.integer({ min: 4, max: 6 }), { minLength: 1, maxLength: 5 }),
      next: fc.array(fc.integer({ min: 4, max: 6 }), { minLength: 1, maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  hole: fc.option(fc.nat(20), { freq: 5 }),
});

function exampleOf(
  { images, question, turns, hole }: typeof recipe extends fc.Arbitrary<infer T> ? T : never,
  place: number,
): Example {
  const prompt = [
    BOS,
    ...images.flatMap(() => [OPEN, ...Array<number>(IMAGE_TOKENS).fill(IMAGE_SLOT), CLOSE]),
    ...question,
  ];
  const tokenIds = [...prompt];
  const labels = prompt.map(() => IGNORE);
  for (const { answer, next } of turns) {
    tokenIds.push(...answer, ...next);
    labels.push(...answer, ...next.map(() => IGNORE));
  }
  const attention = hole === null ? {} : { attention: Uint8Array.from(tokenIds, (_, at) => (at === hole ? 0 : 1)) };
  return {
    id: String(place),
    task: 'vqa',
    tokenIds: Int32Array.from(tokenIds),
    labels: Int32Array.from(labels),
    images: images.map((image) => IMAGES[image] as ImageRef),
    contextLength: prompt.length - 1,
    ...attention,
  };
}

const examplesOf = fc.array(recipe, { minLength: 1, maxLength: 12 }).map((recipes) => recipes.map(exampleOf));
const limits = fc.integer({ min: 8, max: 80 });
const pack = (examples: readonly Example[], maxTokens: number) =>
  packExamples(examples, { maxTokens, imageTokens: IMAGE_TOKENS });
const places = (row: PackedRow): number[] => [...row.tokenIds.keys()];

/** Runs a property over random examples and row lengths. */
function forAll(check: (examples: Example[], maxTokens: number) => void): void {
  fc.assert(fc.property(examplesOf, limits, check), { numRuns: 300, seed: 17 });
}

describe('packing', () => {
  test('every example that fits is in exactly one row, the others are reported', () => {
    forAll((examples, maxTokens) => {
      const { rows, overlong } = pack(examples, maxTokens);
      assert.deepEqual(
        overlong,
        examples.filter(({ tokenIds }) => tokenIds.length > maxTokens),
      );
      const packed = rows.flatMap((row) => row.examples);
      assert.equal(packed.length, new Set(packed).size);
      assert.deepEqual(new Set([...packed, ...overlong]), new Set(examples));
      for (const row of rows) assert.ok(row.tokenIds.length > 0 && row.tokenIds.length <= maxTokens);
    });
  });

  test('what a token sees, and where, is its own example and nothing else', () => {
    forAll((examples, maxTokens) => {
      for (const row of pack(examples, maxTokens).rows) {
        const mask = blockMask(row);
        const T = row.tokenIds.length;
        for (const [owner, example] of row.examples.entries()) {
          const own = places(row).filter((place) => row.owners[place] === owner);
          const last = own.at(-1);
          // An example without a branch of its own is wholly a prefix.
          if (last === undefined) continue;
          const seen = places(row).filter((place) => mask[last * T + place] === 1);
          assert.deepEqual(
            seen.map((place) => row.tokenIds[place]),
            [...example.tokenIds],
          );
          assert.deepEqual(
            seen.map((place) => row.labels[place]),
            [...example.labels],
          );
          assert.deepEqual(
            seen.map((place) => row.positions[place]),
            [...example.tokenIds.keys()],
          );
          assert.deepEqual(
            seen.map((place) => row.attention[place]),
            [...(example.attention ?? example.tokenIds.map(() => 1))],
          );
        }
      }
    });
  });

  test('every supervised token appears once, owned by its example and predicted from the token before it there', () => {
    forAll((examples, maxTokens) => {
      const { rows, overlong } = pack(examples, maxTokens);
      const expected = new Map<Example, [number, number][]>();
      for (const example of examples) {
        const supervised = [...example.labels.entries()].filter(([, label]) => label >= 0);
        if (!overlong.includes(example)) expected.set(example, supervised);
      }
      const found = new Map([...expected.keys()].map((example) => [example, [] as [number, number][]]));
      for (const row of rows) {
        for (const place of places(row)) {
          if ((row.labels[place] as number) < 0) continue;
          assert.notEqual(row.owners[place], NO_OWNER);
          const example = row.examples[row.owners[place] as number] as Example;
          found.get(example)?.push([row.positions[place] as number, row.labels[place] as number]);
          assert.equal(row.owners[place - 1], row.owners[place]);
          assert.equal(row.positions[place - 1], (row.positions[place] as number) - 1);
        }
      }
      assert.deepEqual(found, expected);
    });
  });

  test('the mask is its definition', () => {
    forAll((examples, maxTokens) => {
      for (const { groups, branches } of pack(examples, maxTokens).rows) {
        const T = groups.length;
        const expected = new Uint8Array(T * T);
        for (let t = 0; t < T; t++) {
          for (let s = 0; s <= t; s++) {
            const visible = groups[s] === groups[t] && (branches[s] === 0 || branches[s] === branches[t]);
            if (visible) expected[t * T + s] = 1;
          }
        }
        assert.deepEqual(blockMask({ groups, branches }), expected);
      }
    });
  });

  test('every example sees its own images, and a shared one stands in the row once', () => {
    forAll((examples, maxTokens) => {
      for (const row of pack(examples, maxTokens).rows) {
        const slots = places(row).filter((place) => row.tokenIds[place] === IMAGE_SLOT);
        assert.equal(slots.length, row.images.length * IMAGE_TOKENS);
        const imageAt = new Map(slots.map((place, index) => [place, row.images[Math.floor(index / IMAGE_TOKENS)]]));
        const mask = blockMask(row);
        for (const [owner, example] of row.examples.entries()) {
          const last = row.owners.lastIndexOf(owner);
          if (last < 0) continue;
          const seen = slots.filter((place) => mask[last * row.tokenIds.length + place] === 1);
          assert.deepEqual(
            seen.map((place) => imageAt.get(place)),
            example.images.flatMap((image) => Array<ImageRef>(IMAGE_TOKENS).fill(image)),
          );
        }
        const keys = row.examples.map(({ images }) => images);
        for (const image of new Set(row.images)) {
          const lists = new Set(keys.filter((list) => list.includes(image)).map((list) => JSON.stringify(list)));
          const holes = row.examples.some(({ attention }) => attention !== undefined);
          if (!holes) assert.ok(row.images.filter((other) => other === image).length <= lists.size);
        }
      }
    });
  });

  test('the same examples give the same rows, and the figures add up', () => {
    forAll((examples, maxTokens) => {
      const packing = pack(examples, maxTokens);
      assert.deepEqual(pack(examples, maxTokens), packing);
      const used = packing.rows.reduce((sum, row) => sum + row.tokenIds.length, 0);
      const alone = packing.rows.flatMap((row) => row.examples).reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
      assert.equal(packing.savedTokens, alone - used);
      assert.ok(packing.savedTokens >= 0);
      assert.equal(packing.fill, packing.rows.length === 0 ? 1 : used / (packing.rows.length * maxTokens));
      // Best fit leaves no two rows that would fit into one.
      const lengths = packing.rows.map((row) => row.tokenIds.length).sort((a, b) => a - b);
      if (lengths.length > 1) assert.ok((lengths[0] as number) + (lengths[1] as number) > maxTokens);
    });
  });

  test('padding keeps rows as they are and apart', () => {
    forAll((examples, maxTokens) => {
      const { rows } = pack(examples, maxTokens);
      if (rows.length === 0) return;
      const batch = padPackedRows(rows, { padId: 9, length: maxTokens });
      const [B, T] = batch.shape;
      assert.deepEqual([B, T], [rows.length, maxTokens]);
      assert.deepEqual(
        batch.images,
        rows.flatMap((row) => row.images),
      );
      for (const [b, row] of rows.entries()) {
        const used = row.tokenIds.length;
        const part = (values: Int32Array): Int32Array => values.slice(b * T, b * T + used);
        assert.deepEqual(part(batch.tokenIds), row.tokenIds);
        assert.deepEqual(part(batch.labels), row.labels);
        assert.deepEqual(part(batch.positions), row.positions);
        assert.deepEqual(part(batch.blocks.groups), row.groups);
        assert.deepEqual(part(batch.blocks.branches), row.branches);
        assert.deepEqual(batch.attentionMask.slice(b * T, b * T + used), row.attention);
        for (let place = b * T + used; place < (b + 1) * T; place++) {
          assert.deepEqual(
            [batch.tokenIds[place], batch.labels[place], batch.attentionMask[place], batch.blocks.groups[place]],
            [9, IGNORE, 0, PADDING_GROUP],
          );
          assert.equal(batch.owners[place], NO_OWNER);
        }
        for (let place = 0; place < used; place++) {
          const owner = row.owners[place] as number;
          const global = batch.owners[b * T + place] as number;
          assert.equal(batch.examples[global], owner === NO_OWNER ? undefined : row.examples[owner]);
        }
      }
    });
  });
});
