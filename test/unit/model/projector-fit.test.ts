/** The closed-form start of the projector, against known maps and against its own definition. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomStream } from '../../../lib/core/rng.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { createProjectorFit, type FittedProjector, wordTargets } from '../../../lib/model/projector-fit.ts';
import { openTestEngine } from '../../support/engine.ts';

await openTestEngine();

const [P, DI, DL] = [4, 6, 3] as const;
const random = randomStream(11);
const uniform = (place: number): number => 2 * random.uniform(place) - 1;

interface Image {
  /** f32[P, Di] */
  tokens: number[][];
  /** f32[W, Dl] */
  words: number[][];
}

/** Images whose tokens lie far from zero; `said` gives the words. */
function images(count: number, said: (tokens: number[][]) => number[][]): Image[] {
  return Array.from({ length: count }, (_, image) => {
    const look = Array.from({ length: DI }, (_, d) => 40 + uniform(image * DI + d));
    // All tokens of an image alike, so that one linear map can hit its words exactly.
    const tokens = Array.from({ length: P }, () => look);
    return { tokens, words: said(tokens) };
  });
}

async function fit(given: readonly Image[], { ridge = 1e-6, parts = 1 } = {}): Promise<FittedProjector> {
  const before = tf.memory().numTensors;
  const fitting = createProjectorFit();
  const size = Math.ceil(given.length / parts);
  for (let first = 0; first < given.length; first += size) {
    const part = given.slice(first, first + size);
    tf.tidy(() => fitting.add(tf.tensor(part.map(({ tokens }) => tokens)) as Tensor));
  }
  const words = targetsOf(given);
  const solved = await fitting.solve({ words, ridge });
  tf.dispose({ ...words });
  fitting.dispose();
  assert.equal(tf.memory().numTensors, before);
  return solved;
}

/** All words in one table, each of an image with the same weight. */
function targetsOf(given: readonly Image[]): ReturnType<typeof wordTargets> {
  let next = 0;
  const ids = given.map(({ words }) => Int32Array.from(words, () => next++));
  const weights = given.map(({ words }) => new Float32Array(words.length).fill(1 / words.length));
  const table = tf.tensor2d(given.flatMap(({ words }) => words));
  const targets = wordTargets(table, ids, weights);
  table.dispose();
  return targets;
}

/** What the fitted projector makes of a token. */
function projected({ weight, bias }: FittedProjector, token: readonly number[]): number[] {
  return Array.from(bias, (constant, out) =>
    token.reduce((sum, value, input) => sum + value * (weight[out * DI + input] ?? 0), constant),
  );
}

const MAP = Array.from({ length: DL }, (_, out) =>
  Array.from({ length: DI }, (_, input) => uniform(900 + out * DI + input)),
);
const mapped = (tokens: number[][]): number[][] => {
  const [token = []] = tokens;
  return [MAP.map((row) => row.reduce((sum, value, input) => sum + value * ((token[input] ?? 0) - 40), 0))];
};
const spread = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

test('words that are a linear map of the tokens are found again, stretched to the spread of the words', async () => {
  const given = images(60, mapped);
  const solved = await fit(given);
  assert.ok(Math.abs(solved.explained - 1) < 1e-3, `explained ${solved.explained}`);
  const targets = given.map(({ words }) => words[0] ?? []);
  const mean = Array.from(
    { length: DL },
    (_, d) => targets.reduce((sum, row) => sum + (row[d] ?? 0), 0) / targets.length,
  );
  const centred = targets.flatMap((row) => row.map((value, d) => value - (mean[d] ?? 0)));
  const stretch = spread(targets.flat()) / spread(centred);
  for (const { tokens, words } of given) {
    for (const [d, value] of projected(solved, tokens[0] ?? []).entries()) {
      const wanted = (mean[d] ?? 0) + stretch * ((words[0]?.[d] ?? 0) - (mean[d] ?? 0));
      assert.ok(Math.abs(value - wanted) < 2e-3, `${value} for ${wanted}`);
    }
  }
});

test('several words of one weight count by their mean', async () => {
  const given = images(60, mapped);
  const apart = given.map(({ tokens, words: [word = []] }) => ({
    tokens,
    words: [word.map((value) => value + 1), word.map((value) => value - 1)],
  }));
  const [one, two] = [await fit(given), await fit(apart)];
  assert.ok(Math.abs(two.explained - one.explained) < 1e-6);
});

test('sums do not depend on how the images come', async () => {
  const given = images(24, mapped);
  const [whole, cut] = [await fit(given, { ridge: 0.1 }), await fit(given, { ridge: 0.1, parts: 5 })];
  assert.ok(whole.weight.every((value, i) => Math.abs(value - (cut.weight[i] ?? 0)) < 2e-3));
});

test('words without any relation to the tokens are not explained, and a constant word has nothing to explain', async () => {
  let place = 5000;
  const free = await fit(images(400, () => [Array.from({ length: DL }, () => uniform(place++))]));
  assert.ok(free.explained < 0.1, `explained ${free.explained}`);
  const constant = await fit(images(20, () => [[1, 2, 3]]));
  assert.equal(constant.explained, 0);
  assert.deepEqual(
    projected(
      constant,
      Array.from({ length: DI }, () => 40),
    ).map((value) => Math.round(value * 100) / 100),
    [1, 2, 3],
  );
});

test('words count by their weights', async () => {
  const table = tf.tensor2d([
    [1, 2],
    [3, 6],
    [-1, 0],
  ]);
  const { means, squares } = wordTargets(
    table,
    [Int32Array.of(0, 1), Int32Array.of(2)],
    [Float32Array.of(0.25, 0.75), Float32Array.of(1)],
  );
  assert.deepEqual(await means.array(), [
    [2.5, 5],
    [-1, 0],
  ]);
  // (1 + 4) / 2 by a quarter, (9 + 36) / 2 by three, and (1 + 0) / 2.
  assert.equal((await squares.data())[0], 0.625 + 16.875 + 0.5);
  tf.dispose({ table, means, squares });
});

test('nothing can be fitted to no image, nor to the words of other images', async () => {
  const words = targetsOf(images(2, mapped));
  await assert.rejects(createProjectorFit().solve({ words, ridge: 1 }), /at least one image/);
  const fitting = createProjectorFit();
  tf.tidy(() => fitting.add(tf.zeros([3, P, DI])));
  await assert.rejects(fitting.solve({ words, ridge: 1 }), /words of 2 images for 3 images/);
  fitting.dispose();
  tf.dispose({ ...words });
});
