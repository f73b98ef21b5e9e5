import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomStream } from '../../../lib/core/rng.ts';
import { f1Estimate, meanEstimate, wilson } from '../../../lib/eval/metrics/interval.ts';

describe('wilson', () => {
  test('agrees with published values of the score interval', () => {
    // Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    const cases: [number, number, number, number][] = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ];
    for (const [hits, n, low, high] of cases) {
      const found = wilson(hits, n);
      assert.equal(found.value, hits / n);
      assert.ok(Math.abs(found.low - low) < 5e-5 && Math.abs(found.high - high) < 5e-5, JSON.stringify(found));
    }
  });

  test('no questions give no knowledge', () => {
    assert.deepEqual(wilson(0, 0), { value: 0, n: 0, low: 0, high: 1 });
  });
});

describe('bootstrap', () => {
  const stream = randomStream(11);
  const bits = Array.from({ length: 200 }, (_, place) => (stream.uniform(place) < 0.3 ? 1 : 0));

  test('of a share comes close to the score interval', () => {
    const hits = bits.filter((bit) => bit === 1).length;
    const score = wilson(hits, bits.length);
    const found = meanEstimate(bits, 5);
    assert.ok(Math.abs(found.value - hits / bits.length) < 1e-12);
    assert.ok(Math.abs(found.low - score.low) < 0.015 && Math.abs(found.high - score.high) < 0.015);
  });

  test('is a function of its seed', () => {
    assert.deepEqual(meanEstimate(bits, 5), meanEstimate(bits, 5));
    assert.notDeepEqual(meanEstimate(bits, 5), meanEstimate(bits, 6));
  });

  test('at 0 and 1 the interval keeps a width', () => {
    const none = f1Estimate(Array(50).fill({ hits: 0, extra: 1, missed: 1 }), 1);
    assert.deepEqual([none.value, none.low], [0, 0]);
    assert.ok(none.high > 0.05 && none.high < 0.1);
    const all = f1Estimate(Array(50).fill({ hits: 2, extra: 0, missed: 0 }), 1);
    assert.deepEqual([all.value, all.high], [1, 1]);
    assert.ok(all.low > 0.9 && all.low < 0.95);
  });

  test('covers the true mean about as often as it says', () => {
    let covered = 0;
    for (let trial = 0; trial < 60; trial++) {
      const draws = randomStream(99, trial);
      const values = Array.from({ length: 60 }, (_, place) => draws.uniform(place));
      const { low, high } = meanEstimate(values, trial);
      if (low <= 0.5 && 0.5 <= high) covered += 1;
    }
    assert.ok(covered >= 50 && covered <= 60, `${covered} of 60`);
  });
});
