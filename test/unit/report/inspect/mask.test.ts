/** What the drawing of a packed row shows is what the model's mask says, for any row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packExamples } from '../../../../lib/data/pack.ts';
import { blockMask, type PackedRow } from '../../../../lib/data/packed-batch.ts';
import { rowParts, rowSpans } from '../../../../lib/data/row-spans.ts';
import { type Example, IGNORE, IMAGE_SLOT, type ImageRef } from '../../../../lib/data/sample.ts';
import { maskParts } from '../../../../lib/report/inspect/row-figure.ts';

const IMAGES: readonly ImageRef[] = [{ path: 'a.jpg' }, { path: 'b.jpg' }];

const example = fc
  .record({
    image: fc.option(fc.nat(1), { nil: undefined }),
    question: fc.array(fc.integer({ min: 3, max: 6 }), { minLength: 1, maxLength: 5 }),
    answer: fc.array(fc.integer({ min: 3, max: 6 }), { minLength: 1, maxLength: 5 }),
  })
  .map(({ image, question, answer }): Example => {
    const slots = image === undefined ? [] : [IMAGE_SLOT, IMAGE_SLOT];
    const prompt = [1, ...slots, ...question];
    return {
      id: 'any',
      task: 'vqa',
      tokenIds: Int32Array.from([...prompt, ...answer]),
      labels: Int32Array.from([...prompt.map(() => IGNORE), ...answer]),
      images: image === undefined ? [] : [IMAGES[image] as ImageRef],
      contextLength: prompt.length - 1,
    };
  });

const rows = fc
  .array(example, { minLength: 1, maxLength: 8 })
  .map((examples) => packExamples(examples, { maxTokens: 32, imageTokens: 2 }).rows);

function drawnMask(row: PackedRow): Uint8Array {
  const length = row.tokenIds.length;
  const spans = rowSpans(row).map(({ example: own, ...span }) => ({
    ...span,
    kind: own === undefined ? ('prefix' as const) : ('branch' as const),
  }));
  const mask = new Uint8Array(length * length);
  for (const { queries, keys, causal } of maskParts(spans)) {
    for (let query = queries[0]; query < queries[1]; query++) {
      for (let key = keys[0]; key < keys[1]; key++) if (!causal || key <= query) mask[query * length + key] = 1;
    }
  }
  return mask;
}

test('the drawn mask of a packed row is the mask that the model gets', () => {
  fc.assert(
    fc.property(rows, (all) => {
      for (const row of all) assert.deepEqual(drawnMask(row), blockMask(row));
    }),
  );
});

test('spans and parts cover a row without gaps, and name each example once', () => {
  fc.assert(
    fc.property(rows, (all) => {
      for (const row of all) {
        const spans = rowSpans(row);
        for (const stretches of [spans, rowParts(row)]) {
          assert.equal(stretches[0]?.from, 0);
          assert.equal(stretches.at(-1)?.to, row.tokenIds.length);
          for (const [place, { from }] of stretches.slice(1).entries()) assert.equal(from, stretches[place]?.to);
        }
        assert.deepEqual(
          spans.flatMap((span) => span.example ?? []),
          row.examples,
        );
      }
    }),
  );
});

test('parts are what the tokens and labels of a row say', () => {
  fc.assert(
    fc.property(rows, (all) => {
      for (const row of all) {
        for (const { kind, from, to } of rowParts(row)) {
          for (let place = from; place < to; place++) {
            const trained = (row.labels[place] ?? -1) >= 0;
            const expected = trained ? 'supervised' : row.tokenIds[place] === IMAGE_SLOT ? 'image' : 'prompt';
            assert.equal(kind, expected);
          }
        }
      }
    }),
  );
});
