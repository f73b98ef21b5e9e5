import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomStream } from '../../../lib/core/rng.ts';
import { createMixture, type MixtureLine } from '../../../lib/data/mixture.ts';

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const rate = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0.001, max: 80, noNaN: true }));
const size = fc.integer({ min: 1, max: 8 });
const free = fc.record({ rate, size });
const capped = fc.record({ rate, size, limit: fc.integer({ min: 1, max: 3000 }) });
const lists = fc.array(fc.oneof(free, capped), { minLength: 1, maxLength: 7 });

/** All units up to a number, by walking over the draws. */
function walk(lines: readonly MixtureLine[], key: number, most: number) {
  const mixture = createMixture(lines, randomStream(key));
  const seats = [];
  for (let draw = 0; draw < mixture.draws && seats.length < most; draw++) {
    const ticket = mixture.ticket(draw);
    for (let offset = 0; offset < (lines[ticket.line]?.size ?? 1); offset++) seats.push({ ...ticket, offset });
  }
  return { mixture, seats: seats.slice(0, most) };
}

test('a unit that is asked for alone is where walking over all draws finds it, with groups and limits of any size', () => {
  fc.assert(
    fc.property(lists, seed, fc.array(fc.nat(11_999), { minLength: 1, maxLength: 8 }), (lines, key, asked) => {
      const { seats } = walk(lines, key, 12_000);
      for (const unit of asked.map((place) => place % seats.length)) {
        assert.deepEqual(createMixture(lines, randomStream(key)).seat(unit), seats[unit]);
      }
    }),
    { numRuns: 60, seed: 3 },
  );
});

test('a line is drawn exactly up to its limit, its positions are 0, 1, 2, ..., and then the others take its share', () => {
  fc.assert(
    fc.property(fc.array(capped, { minLength: 1, maxLength: 5 }), seed, (lines, key) => {
      const mixture = createMixture(lines, randomStream(key));
      assert.equal(
        mixture.draws,
        lines.reduce((sum, { limit }) => sum + limit, 0),
      );
      const next = lines.map(() => 0);
      for (let draw = 0; draw < mixture.draws; draw++) {
        const { line, position } = mixture.ticket(draw);
        assert.ok(position < (lines[line]?.limit ?? 0));
        next[line]!++;
      }
      assert.deepEqual(
        next,
        lines.map(({ limit }) => limit),
      );
      assert.throws(() => mixture.ticket(mixture.draws), RangeError);
    }),
    { numRuns: 25, seed: 4 },
  );
});

test('shares hold to within a few draws wherever it is counted, before the first limit and far out', () => {
  fc.assert(
    fc.property(fc.array(free, { minLength: 1, maxLength: 40 }), seed, fc.nat(2 ** 40), (lines, key, far) => {
      const mixture = createMixture(lines, randomStream(key));
      const total = lines.reduce((sum, line) => sum + line.rate, 0);
      for (const draws of [1024, far + 1, 64 * (far + 1)]) {
        const units = mixture.ofDraws(draws);
        for (const [line, { rate: own, size: each }] of lines.entries()) {
          // Within an unfinished block the shuffle decides; it has 64 draws.
          const slack = draws % 64 === 0 ? 6 : 64;
          assert.ok(Math.abs((units[line] as number) / each - (draws * own) / total) <= slack, `${units}`);
        }
      }
    }),
    { numRuns: 60, seed: 5 },
  );
});

test('counts of units are those of walking', () => {
  fc.assert(
    fc.property(lists, seed, fc.nat(6000), (lines, key, asked) => {
      const { mixture, seats } = walk(lines, key, 6000);
      const units = Math.min(asked, seats.length);
      const counted = lines.map((_, line) => seats.slice(0, units).filter((seat) => seat.line === line).length);
      assert.deepEqual(mixture.ofUnits(units), counted);
    }),
    { numRuns: 60, seed: 6 },
  );
});
