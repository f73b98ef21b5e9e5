import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rankCandidates } from '../../../lib/eval/rank.ts';
import { attentionBias, isRightPadded } from '../../../lib/model/llama/mask.ts';
import { maskedPositions } from '../../../lib/model/llama/rope.ts';
import { IMAGE_SLOT, planSplice } from '../../../lib/model/splice.ts';
import { lossByRow, supervisedPlaces } from '../../../lib/model/supervised.ts';
import { resizePosEmbed } from '../../../lib/model/vision/pos-embed.ts';
import { openTestEngine } from '../../support/engine.ts';

await openTestEngine();

const VOCABULARY = 50;

/** Rows of words and whole images, as [images before, words] pieces. */
const rowsWithImages = fc.record({
  tokensPerImage: fc.integer({ min: 1, max: 5 }),
  rows: fc.array(fc.array(fc.option(fc.integer({ min: 0, max: VOCABULARY - 1 })), { minLength: 1, maxLength: 8 }), {
    minLength: 1,
    maxLength: 4,
  }),
});

test('every image feature goes to exactly one slot, in order, and every word to its own place', () => {
  fc.assert(
    fc.property(rowsWithImages, ({ tokensPerImage, rows }) => {
      const expanded = rows.map((row) =>
        row.flatMap((word) => (word === null ? new Array<number>(tokensPerImage).fill(IMAGE_SLOT) : [word])),
      );
      const T = Math.max(...expanded.map((row) => row.length));
      const tokenIds = new Int32Array(rows.length * T);
      expanded.forEach((row, b) => {
        tokenIds.set(row, b * T);
      });
      const images = rows.flat().filter((word) => word === null).length;
      const plan = planSplice({ tokenIds, shape: [rows.length, T], vocabulary: VOCABULARY, images, tokensPerImage });
      const sources = plan.sources ?? Int32Array.from({ length: tokenIds.length }, (_, i) => i);
      const slots = [...sources].filter((_, i) => tokenIds[i] === IMAGE_SLOT);
      assert.deepEqual(
        slots,
        Array.from({ length: images * tokensPerImage }, (_, i) => tokenIds.length + i),
      );
      tokenIds.forEach((id, i) => {
        if (id === IMAGE_SLOT) return;
        assert.equal(sources[i], i);
        assert.equal(plan.textIds[i], id);
      });
    }),
  );
});

test('a row cut anywhere keeps the features of what is left', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(12), (tokensPerImage, cut) => {
      const full = [1, ...new Array<number>(tokensPerImage).fill(IMAGE_SLOT), 2, 3];
      const kept = full.slice(0, Math.min(full.length, 2 + cut));
      const T = full.length;
      const tokenIds = new Int32Array(2 * T);
      tokenIds.set(kept, 0);
      tokenIds.set(full, T);
      const { sources } = planSplice({ tokenIds, shape: [2, T], vocabulary: VOCABULARY, images: 2, tokensPerImage });
      const second = [...(sources ?? [])].slice(T + 1, T + 1 + tokensPerImage);
      assert.deepEqual(
        second,
        Array.from({ length: tokensPerImage }, (_, i) => 2 * T + tokensPerImage + i),
      );
    }),
  );
});

const maskOf = fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 3 })).chain(([T, B]) =>
  fc.record({
    T: fc.constant(T),
    B: fc.constant(B),
    mask: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: B * T, maxLength: B * T }),
  }),
);

test('the mask hides exactly the padding, and is left out only where causality hides it from every token', () => {
  fc.assert(
    fc.property(maskOf, ({ T, B, mask }) => {
      const bytes = Uint8Array.from(mask);
      const bias = attentionBias({ mask: bytes, shape: [B, T] });
      for (let b = 0; b < B; b++) {
        for (let query = 0; query < T; query++) {
          for (let key = 0; key <= query; key++) {
            if (bytes[b * T + query] === 0) continue;
            const hidden = bias !== undefined && (bias.dataSync()[(b * T + query) * T + key] ?? 0) < -1e20;
            assert.equal(hidden, bytes[b * T + key] === 0);
          }
        }
      }
      assert.equal(bias === undefined, isRightPadded(bytes, T));
      bias?.dispose();
    }),
  );
});

test('visible tokens are numbered 0, 1, 2, ... whatever stands between them', () => {
  fc.assert(
    fc.property(maskOf, ({ T, B, mask }) => {
      const positions = maskedPositions(Uint8Array.from(mask), T);
      for (let b = 0; b < B; b++) {
        const seen = [...positions.subarray(b * T, (b + 1) * T)].filter((_, t) => mask[b * T + t] === 1);
        assert.deepEqual(
          seen,
          seen.map((_, i) => i),
        );
      }
    }),
  );
});

test('every supervised token but a row’s first is predicted once, and its loss comes back to its row', () => {
  fc.assert(
    fc.property(maskOf, ({ T, B, mask }) => {
      const labels = Int32Array.from(mask, (on, i) => (on === 1 ? i % VOCABULARY : -100));
      const { rows, labels: targets } = supervisedPlaces({ labels, shape: [B, T], vocabulary: VOCABULARY });
      rows.forEach((place, i) => {
        assert.equal(labels[place + 1], targets[i]);
        assert.notEqual((place + 1) % T, 0);
      });
      const expected = Array.from({ length: B }, (_, b) =>
        mask.slice(b * T + 1, (b + 1) * T).reduce((sum, on) => sum + on, 0),
      );
      const byRow = lossByRow({ losses: new Float32Array(rows.length).fill(2), places: rows, shape: [B, T] });
      assert.deepEqual(
        byRow.map(({ tokens }) => tokens),
        expected,
      );
      assert.deepEqual(
        byRow.map(({ loss }) => loss),
        expected.map((count) => 2 * count),
      );
    }),
  );
});

test('resizing a position embedding is linear and treats rows and columns alike', () => {
  const grid = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 7 }));
  fc.assert(
    fc.property(grid, fc.integer(), ([from, to], seed) => {
      const value = (i: number) => Math.sin(seed + i * 1.7);
      const values = Float32Array.from({ length: 1 + from * from }, (_, i) => value(i));
      const flipped = Float32Array.from(values, (own, i) => {
        if (i === 0) return own;
        const [row, column] = [Math.floor((i - 1) / from), (i - 1) % from];
        return values[1 + column * from + row] ?? 0;
      });
      const resized = resizePosEmbed({ values, width: 1, grid: to });
      const other = resizePosEmbed({ values: flipped, width: 1, grid: to });
      const doubled = resizePosEmbed({ values: values.map((own) => 2 * own), width: 1, grid: to });
      for (let row = 0; row < to; row++) {
        for (let column = 0; column < to; column++) {
          const own = resized[1 + row * to + column] ?? 0;
          assert.ok(Math.abs(own - (other[1 + column * to + row] ?? 0)) < 1e-5);
          assert.ok(Math.abs(2 * own - (doubled[1 + row * to + column] ?? 0)) < 1e-5);
        }
      }
    }),
  );
});

test('a ranking is a permutation with losses that never fall', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { maxLength: 12 }), (losses) => {
      const ranks = rankCandidates(losses);
      assert.deepEqual(
        [...ranks].sort((a, b) => a - b),
        losses.map((_, i) => i),
      );
      for (let i = 1; i < ranks.length; i++)
        assert.ok((losses[ranks[i - 1] ?? 0] ?? 0) <= (losses[ranks[i] ?? 0] ?? 0));
    }),
  );
});
