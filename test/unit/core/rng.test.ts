import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyOfText, permuted, randomStream } from '../../../lib/core/rng.ts';

const COUNT = 20_000;

/** Mean and variance of a stream's first numbers. */
function moments(draw: (index: number) => number): { mean: number; variance: number } {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const value = draw(i);
    sum += value;
    squares += value * value;
  }
  const mean = sum / COUNT;
  return { mean, variance: squares / COUNT - mean * mean };
}

describe('counter-based random numbers', () => {
  it('are a function of keys and index alone, whatever was drawn before', () => {
    const one = randomStream(1, 2, 3);
    const late = one.uniform(999);
    for (let i = 0; i < 10; i++) one.normal(i);
    assert.equal(randomStream(1, 2, 3).uniform(999), late);
    assert.equal(randomStream(1).child(2, 3).uniform(999), late);
  });

  it('never change between versions: runs resume with the numbers that they began with', () => {
    const stream = randomStream(42, 7);
    assert.deepEqual(
      [0, 1, 2].map((i) => stream.uint32(i)),
      [3226170136, 4117005541, 3245336593],
    );
    assert.equal(permuted(5, 1000, stream), 277);
    assert.equal(keyOfText('llama_proj.weight'), 1989563274);
  });

  it('differ for every other key, order of keys, count of keys and sign', () => {
    const keys = [[], [0], [0, 0], [1], [1, 0], [0, 1], [-1], [2 ** 32], [2 ** 40], [-(2 ** 40)], [1, 2], [2, 1]];
    const firsts = keys.map((key) => randomStream(...key).uniform(0));
    assert.equal(new Set(firsts).size, keys.length);
  });

  it('refuse keys that are no integers', () => {
    for (const key of [0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
      assert.throws(() => randomStream(key), RangeError);
    assert.throws(() => randomStream(1).uniform(0.5), RangeError);
  });

  it('are uniform and normal to within sampling error, also across neighbouring streams', () => {
    const uniform = moments((i) => randomStream(3).uniform(i));
    assert.ok(Math.abs(uniform.mean - 0.5) < 0.01 && Math.abs(uniform.variance - 1 / 12) < 0.003);
    const across = moments((i) => randomStream(3, i).uniform(0));
    assert.ok(Math.abs(across.mean - 0.5) < 0.01 && Math.abs(across.variance - 1 / 12) < 0.003);
    const normal = moments((i) => randomStream(4).normal(i));
    assert.ok(Math.abs(normal.mean) < 0.03 && Math.abs(normal.variance - 1) < 0.04);
    const product = moments((i) => (randomStream(5, i).uniform(0) - 0.5) * (randomStream(5, i + 1).uniform(0) - 0.5));
    assert.ok(Math.abs(product.mean) < 0.003);
  });

  it('flip about half of the output bits for each flipped bit of key or index', () => {
    for (let bit = 0; bit < 50; bit++) {
      let flipped = 0;
      for (let i = 0; i < 200; i++) {
        const difference = randomStream(9, i).uint32(0) ^ randomStream(9, i + 2 ** bit).uint32(0);
        flipped += difference.toString(2).replace(/[-0]/g, '').length;
      }
      assert.ok(flipped / 200 > 8, `bit ${bit}: ${flipped / 200}`);
    }
  });

  it('give integers below the bound, each about as often', () => {
    const stream = randomStream(6);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 7000; i++) counts[stream.integer(i, 7)]!++;
    assert.ok(
      counts.every((count) => Math.abs(count - 1000) < 150),
      String(counts),
    );
    assert.throws(() => stream.integer(0, 0), RangeError);
  });
});

describe('random order without a table', () => {
  it('visits every place once, for sizes around powers of two', () => {
    for (const size of [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4097]) {
      const places = Array.from({ length: size }, (_, i) => permuted(i, size, randomStream(1, size)));
      assert.equal(new Set(places).size, size);
      assert.ok(places.every((place) => place >= 0 && place < size));
    }
  });

  it('differs between keys and leaves few places fixed', () => {
    const order = (key: number) => Array.from({ length: 500 }, (_, i) => permuted(i, 500, randomStream(key)));
    const [one, two] = [order(1), order(2)];
    assert.notDeepEqual(one, two);
    assert.ok(one.filter((place, i) => place === i).length < 12);
    const rising = one.filter((place, i) => i > 0 && place > one[i - 1]!).length;
    assert.ok(Math.abs(rising - 250) < 50);
  });

  it('works for sizes beyond 32 bits and refuses what it cannot order', () => {
    const place = permuted(2 ** 45, 2 ** 50, randomStream(1));
    assert.ok(Number.isSafeInteger(place) && place >= 0 && place < 2 ** 50);
    for (const [index, size] of [
      [0, 0],
      [5, 5],
      [-1, 5],
      [0.5, 5],
      [0, 2 ** 53],
    ] as const) {
      assert.throws(() => permuted(index, size, randomStream(1)), RangeError);
    }
  });
});
