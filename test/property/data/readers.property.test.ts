import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomStream } from '../../../lib/core/rng.ts';
import { createStream, type StreamLine, shareOf } from '../../../lib/data/stream.ts';
import { measureMixing, windowOrder } from '../../../lib/data/windows.ts';

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const line = fc
  .record({
    groups: fc.integer({ min: 2, max: 40 }),
    group: fc.integer({ min: 1, max: 4 }),
    rate: fc.integer({ min: 1, max: 9 }),
    cap: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    window: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    inOrder: fc.boolean(),
  })
  .map(({ groups, group, cap, window, ...rest }): StreamLine => {
    const length = groups * group;
    return {
      ...{ ...rest, length, group, fingerprint: `of ${length}`, batch: 3 },
      ...(cap === undefined ? {} : { cap: cap + 3 }),
      ...(window === undefined ? {} : { window, shards: [0, Math.ceil(length / 3), Math.ceil(length / 2)] }),
    };
  });
const mixtures = fc.array(line, { minLength: 1, maxLength: 4 });

test('1, 2, 3 and 8 readers together see exactly the same global batches, each its own stretch', () => {
  fc.assert(
    fc.property(mixtures, seed, fc.integer({ min: 1, max: 33 }), fc.nat(5000), (lines, key, globalBatch, asked) => {
      for (const unit of ['sample', 'batch'] as const) {
        const open = () => createStream({ lines, seed: key, unit, globalBatch });
        const step = asked % Math.min(5000, open().steps);
        const whole = open().step(step);
        for (const readers of [1, 2, 3, 8]) {
          // Each reader is a process of its own, which has read nothing before.
          const shares = Array.from({ length: readers }, (_, reader) =>
            shareOf(open().step(step), { reader, readers }),
          );
          assert.deepEqual(
            shares.flatMap(({ refs }) => refs),
            whole,
          );
          const sizes = shares.map(({ refs }) => refs.length);
          assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
          for (const { first, refs } of shares) assert.deepEqual(whole.slice(first, first + refs.length), refs);
        }
      }
    }),
    { numRuns: 40, seed: 7 },
  );
});

test('going on from any step gives the samples that an uninterrupted run would have seen', () => {
  fc.assert(
    fc.property(mixtures, seed, fc.integer({ min: 1, max: 9 }), fc.nat(30), (lines, key, globalBatch, from) => {
      const open = () => createStream({ lines, seed: key, globalBatch });
      const steps = Math.min(60, open().steps);
      const whole = open();
      const all = Array.from({ length: steps }, (_, step) => whole.step(step));
      const resumed = open();
      for (let step = Math.min(from, steps); step < steps; step++) assert.deepEqual(resumed.step(step), all[step]);
    }),
    { numRuns: 40, seed: 8 },
  );
});

test('a sample comes at most as often as the cap of its line says, rounded up, and counts are those of the steps', () => {
  fc.assert(
    fc.property(mixtures, seed, fc.integer({ min: 1, max: 9 }), (lines, key, globalBatch) => {
      const stream = createStream({ lines, seed: key, globalBatch });
      const steps = Math.min(120, stream.steps);
      const counts = lines.map(() => 0);
      const often = new Map<string, number>();
      for (let step = 0; step < steps; step++) {
        for (const ref of stream.step(step)) {
          counts[ref.line]!++;
          const name = `${ref.line} ${ref.index}`;
          often.set(name, (often.get(name) ?? 0) + 1);
          assert.ok((often.get(name) as number) <= Math.ceil(lines[ref.line]?.cap ?? Number.POSITIVE_INFINITY));
        }
      }
      assert.deepEqual(stream.counts(steps), counts);
    }),
    { numRuns: 40, seed: 9 },
  );
});

test('behind the last sample of a mixture in which every source has a cap the run is refused', () => {
  const lines = [
    { length: 10, fingerprint: 'a', rate: 9, cap: 1.5 },
    { length: 5, fingerprint: 'b', rate: 1, cap: 2 },
  ];
  const stream = createStream({ lines, seed: 1, globalBatch: 5 });
  assert.equal(stream.steps, 5);
  assert.deepEqual(stream.counts(5), [15, 10]);
  assert.throws(() => stream.step(5), { code: 'E_MIXTURE_END', kind: 'config' });
  assert.throws(
    () => createStream({ lines: [{ length: 3, fingerprint: 'a', rate: 1, cap: 0.1 }], seed: 1, globalBatch: 1 }),
    { code: 'E_MIXTURE_CAP', kind: 'config', where: 'data.mixture.sources.0.cap' },
  );
});

test('within a window every sample comes once in an epoch, and only so many shards are open at a time', () => {
  const shards = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(shards, fc.integer({ min: 1, max: 6 }), seed, (sizes, window, key) => {
      const starts = sizes.map((_, shard) => sizes.slice(0, shard).reduce((sum, size) => sum + size, 0));
      const length = sizes.reduce((sum, size) => sum + size, 0);
      const at = windowOrder({ starts, length, window }, randomStream(key));
      const order = Array.from({ length }, (_, place) => at(place));
      assert.deepEqual(
        order.toSorted((a, b) => a - b),
        Array.from({ length }, (_, place) => place),
      );
      assert.ok(measureMixing(order, { starts }, 4).openShards <= window);
    }),
    { numRuns: 60, seed: 10 },
  );
});

test('a wider window mixes better: neighbours share a shard about once in the number of its shards', () => {
  const starts = Array.from({ length: 64 }, (_, shard) => 50 * shard);
  const measured = [1, 4, 16, 64].map((window) => {
    const at = windowOrder({ starts, length: 3200, window }, randomStream(5, window));
    return measureMixing(
      Array.from({ length: 3200 }, (_, place) => at(place)),
      { starts },
      32,
    );
  });
  for (const [place, window] of [1, 4, 16, 64].entries()) {
    const { sameShard, openShards, shardsOfBatch } = measured[place]!;
    assert.ok(Math.abs(sameShard - 1 / window) < 0.05, `${sameShard} of window ${window}`);
    assert.equal(openShards, window);
    // Of a window of w shards a batch of 32 samples meets about w (1 - (1 - 1/w)^32).
    assert.ok(Math.abs(shardsOfBatch - window * (1 - (1 - 1 / window) ** 32)) < 2, `${shardsOfBatch}`);
  }
});
