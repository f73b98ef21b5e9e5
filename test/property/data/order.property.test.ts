import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomStream } from '../../../lib/core/rng.ts';
import { padRows } from '../../../lib/data/collate.ts';
import { encodeTurns } from '../../../lib/data/encode.ts';
import { createMixture } from '../../../lib/data/mixture.ts';
import { resizePillowBicubic } from '../../../lib/data/resize-pillow.ts';
import { IGNORE } from '../../../lib/data/sample.ts';
import { createStream } from '../../../lib/data/stream.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const tokenizer = await llama2Tokenizer();
const rates = fc.array(fc.double({ min: 0.01, max: 50, noNaN: true }), { minLength: 1, maxLength: 6 });
const linesOf = (list: readonly number[]) => list.map((rate) => ({ rate }));
const seed = fc.integer({ min: 0, max: 2 ** 31 });

test('in every pass each sample of a source comes exactly once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 7 }), seed, (length, globalBatch, key) => {
      const stream = createStream({ lines: [{ length, fingerprint: 'f', rate: 1 }], seed: key, globalBatch });
      const places = Array.from({ length: Math.ceil((2 * length) / globalBatch) }, (_, step) =>
        stream.step(step),
      ).flat();
      for (const epoch of [0, 1]) {
        const indices = places.slice(epoch * length, (epoch + 1) * length).map((ref) => ref.index);
        assert.deepEqual(
          indices.toSorted((a, b) => a - b),
          Array.from({ length }, (_, index) => index),
        );
      }
    }),
  );
});

test('a line in order gives its groups from the first to the last, in every pass', () => {
  const size = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), size, size, seed, (groups, group, globalBatch, key) => {
      const length = groups * group;
      const line = { length, fingerprint: 'f', rate: 1, group, inOrder: true };
      const stream = createStream({ lines: [line], seed: key, globalBatch });
      const places = Array.from({ length: Math.ceil((2 * length) / globalBatch) }, (_, step) => stream.step(step));
      const indices = places.flat().map((ref) => ref.index);
      assert.deepEqual(
        indices.slice(0, 2 * length),
        Array.from({ length: 2 * length }, (_, place) => place % length),
      );
    }),
  );
});

test('every line’s positions are 0, 1, 2, ... in the order of the tickets of its blocks, without a gap', () => {
  fc.assert(
    fc.property(rates, seed, (lines, key) => {
      const mixture = createMixture(linesOf(lines), randomStream(key));
      const seen = lines.map(() => new Set<number>());
      const tickets = 4096;
      for (let number = 0; number < tickets; number++) {
        const { line, position } = mixture.ticket(number);
        assert.ok(!seen[line]?.has(position));
        seen[line]?.add(position);
      }
      for (const positions of seen) assert.equal(positions.size === 0 ? 0 : Math.max(...positions) + 1, positions.size);
    }),
    { numRuns: 20 },
  );
});

test('shares hold to within a few tickets after some thousands', () => {
  fc.assert(
    fc.property(rates, seed, (lines, key) => {
      const mixture = createMixture(linesOf(lines), randomStream(key));
      const counts = lines.map(() => 0);
      const tickets = 8192;
      for (let number = 0; number < tickets; number++) counts[mixture.ticket(number).line]! += 1;
      const total = lines.reduce((sum, rate) => sum + rate, 0);
      for (const [line, rate] of lines.entries()) {
        assert.ok(Math.abs((counts[line] as number) - (tickets * rate) / total) <= 10);
      }
    }),
    { numRuns: 20 },
  );
});

test('a mixture does not depend on the order of asking', () => {
  fc.assert(
    fc.property(
      rates,
      seed,
      fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 8 }),
      (lines, key, asked) => {
        const one = createMixture(linesOf(lines), randomStream(key));
        const answers = asked.map((number) => one.ticket(number));
        const backwards = asked
          .toReversed()
          .map((number) => createMixture(linesOf(lines), randomStream(key)).ticket(number));
        assert.deepEqual(backwards.toReversed(), answers);
      },
    ),
    { numRuns: 15 },
  );
});

test('the global stream does not depend on how it is cut into steps', () => {
  fc.assert(
    fc.property(seed, fc.constantFrom(1, 2, 4, 8), (key, globalBatch) => {
      const lines = [
        { length: 9, fingerprint: 'a', rate: 2 },
        { length: 5, fingerprint: 'b', rate: 1 },
      ];
      const all = (size: number): unknown[] => {
        const stream = createStream({ lines, seed: key, globalBatch: size });
        return Array.from({ length: 16 / size }, (_, step) => stream.step(step)).flat();
      };
      assert.deepEqual(all(globalBatch), all(16));
    }),
  );
});

test('labels are the tokens of the answers: equal where they are set, and as many as the answers have', () => {
  const words = fc.array(fc.constantFrom('red', 'two', '$$', '{<1><2><3><4>}', 'é', '  '), {
    minLength: 1,
    maxLength: 6,
  });
  const turn = fc
    .tuple(words, words)
    .map(([question, answer]) => ({ prompt: question.join(' '), answer: answer.join(' ') }));
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 4 }), (turns) => {
      const row = encodeTurns(turns, { tokenizer, imageTokens: 2 });
      const labels = [...row.labels].filter((label) => label !== IGNORE);
      assert.deepEqual(
        labels,
        turns.flatMap(({ answer }) => tokenizer.encode(`${answer}</s>`)),
      );
      for (const [place, label] of row.labels.entries()) if (label !== IGNORE) assert.equal(label, row.tokenIds[place]);
    }),
  );
});

test('left and right padding hold the same rows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 9 }), {
        minLength: 1,
        maxLength: 5,
      }),
      (ids) => {
        const rows = ids.map((row) => ({
          tokenIds: Int32Array.from(row),
          labels: new Int32Array(row.length).fill(IGNORE),
          contextLength: row.length - 1,
        }));
        for (const align of ['left', 'right'] as const) {
          const batch = padRows(rows, { align });
          const kept = [...batch.tokenIds].filter((_, place) => batch.attentionMask[place] === 1);
          assert.deepEqual(kept, ids.flat());
        }
      },
    ),
  );
});

test('a resize keeps a picture of one colour, whatever the sizes', () => {
  const side = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(side, side, side, side, fc.integer({ min: 0, max: 255 }), (width, height, toWidth, toHeight, value) => {
      const image = { data: new Uint8Array(width * height * 3).fill(value), width, height };
      const resized = resizePillowBicubic(image, { width: toWidth, height: toHeight });
      assert.equal(resized.data.length, toWidth * toHeight * 3);
      assert.ok(resized.data.every((found) => found === value));
    }),
  );
});
