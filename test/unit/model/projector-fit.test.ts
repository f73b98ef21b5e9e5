/** The closed-form start of the projector, against known maps and against its own definition. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomStream } from '../../../lib/core/rng.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { createProjectorFit, type FittedProjector } from '../../../lib/model/projector-fit.ts';
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
  const fitting = createProjectorFit();
  const before = tf.memory().numTensors;
  const size = Math.ceil(given.length / parts);
  for (let first = 0; first < given.length; first += size) {
    const part = given.slice(first, first + size);
    tf.tidy(() =>
      fitting.add(
        tf.tensor(part.map(({ tokens }) => tokens)) as Tensor,
        part.map(({ words }) => tf.tensor2d(words)),
      ),
    );
  }
  const solved = await fitting.solve(ridge);
  fitting.dispose();
  assert.equal(tf.memory().numTensors, before);
  return solved;
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

test('several words count by their mean', async () => {
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

test('nothing can be fitted to no image', async () => {
  await assert.rejects(createProjectorFit().solve(1), RangeError);
});
