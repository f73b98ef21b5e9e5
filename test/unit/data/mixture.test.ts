import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomStream } from '../../../lib/core/rng.ts';
import { createMixture } from '../../../lib/data/mixture.ts';

const rates = [1, 2.5, 0.3];
const mixture = (seed: number) =>
  createMixture(
    rates.map((rate) => ({ rate })),
    randomStream(seed),
  );

test('the order depends on the keys and on nothing else: any draw can be asked for first', () => {
  const forward = mixture(1);
  const order = Array.from({ length: 5000 }, (_, draw) => forward.ticket(draw));
  const anywhere = mixture(1);
  for (const draw of [4999, 0, 2047, 2048, 3, 1024]) assert.deepEqual(anywhere.ticket(draw), order[draw]);
  const other = mixture(2);
  assert.notDeepEqual(
    order.slice(0, 50),
    Array.from({ length: 50 }, (_, draw) => other.ticket(draw)),
  );
});

test('the positions of each line count up from 0 without gaps', () => {
  const { ticket } = mixture(3);
  const next = rates.map(() => 0);
  for (let draw = 0; draw < 5000; draw++) {
    const { line, position } = ticket(draw);
    assert.equal(position, next[line]);
    next[line]!++;
  }
});

test('every line keeps its planned share', () => {
  const { ticket } = mixture(4);
  const counts = rates.map(() => 0);
  for (let draw = 0; draw < 4096; draw++) counts[ticket(draw).line]!++;
  for (const [line, rate] of rates.entries()) assert.ok(Math.abs(counts[line]! - (4096 * rate) / 3.8) < 3, `${counts}`);
});

test('rates that are not positive are refused', () => {
  for (const bad of [[], [0], [1, -1], [Number.NaN], [Number.POSITIVE_INFINITY]]) {
    assert.throws(
      () =>
        createMixture(
          bad.map((rate) => ({ rate })),
          randomStream(1),
        ),
      RangeError,
    );
  }
});
