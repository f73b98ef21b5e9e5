import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { TristageError } from '../../../lib/core/errors.ts';
import { type BadSample, createBudget, openLedger } from '../../../lib/data/ledger.ts';
import { createLoader, type LoaderOptions } from '../../../lib/data/loader.ts';
import { badSample, checkSample, type Sample } from '../../../lib/data/sample.ts';
import { defineSource, type OpenSource } from '../../../lib/data/source.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const tokenizer = await llama2Tokenizer();

/** A source of texts; the samples whose index is in `broken` cannot be used. */
function textSource(name: string, length: number, broken: (index: number) => boolean = () => false): OpenSource {
  return {
    name,
    length,
    fingerprint: `${name}-${length}`,
    notes: [],
    get: async (index, pick) => {
      if (broken(index)) throw badSample({ id: String(index), source: name }, 'damage', 'none');
      const sample: Sample = {
        id: `${name}${index}`,
        source: name,
        task: 'text',
        turns: [{ question: `question ${pick(1000)}`, answer: `answer ${index}` }],
      };
      return sample;
    },
  };
}

function options(over: Partial<LoaderOptions> = {}): LoaderOptions {
  return {
    lines: [
      { source: textSource('a', 30), rate: 3 },
      { source: textSource('b', 7), rate: 1 },
    ],
    seed: 5,
    globalBatch: 8,
    encode: { tokenizer, imageTokens: 4 },
    images: { size: 8, threads: 0 },
    ...over,
  };
}

const idsOf = async (loaderOptions: LoaderOptions, steps: number[]): Promise<string[]> => {
  const loader = createLoader(loaderOptions);
  const ids: string[] = [];
  for (const step of steps) {
    const { tokenIds, examples } = await loader.batch(step);
    ids.push(`${examples.map((example) => example.id).join()}|${tokenIds.join()}`);
  }
  await loader.close();
  return ids;
};

test('the batch of a step does not depend on prefetching, nor on which steps were asked for before', async () => {
  const steps = [0, 1, 2, 3, 4, 5];
  const plain = await idsOf(options({ prefetch: 0 }), steps);
  assert.deepEqual(await idsOf(options({ prefetch: 4 }), steps), plain);
  assert.deepEqual(await idsOf(options(), [5, 3, 0]), [plain[5], plain[3], plain[0]]);
});

test('another seed gives another order', async () => {
  assert.notDeepEqual(await idsOf(options({ seed: 6 }), [0]), await idsOf(options(), [0]));
});

test('each sample of a source comes once in every pass over it', async () => {
  const loader = createLoader(options({ lines: [{ source: textSource('a', 12), rate: 1 }], globalBatch: 4 }));
  for (let epoch = 0; epoch < 3; epoch++) {
    const seen: string[] = [];
    for (let step = 0; step < 3; step++)
      seen.push(...(await loader.batch(epoch * 3 + step)).examples.map(({ id }) => id));
    assert.equal(new Set(seen).size, 12);
  }
  await loader.close();
});

test('wordings differ from pass to pass and repeat exactly on a second run', async () => {
  const one = options({ lines: [{ source: textSource('a', 1), rate: 1 }], globalBatch: 1 });
  const first = await idsOf(one, [0, 1, 2, 3]);
  assert.ok(new Set(first).size > 1);
  assert.deepEqual(await idsOf(one, [0, 1, 2, 3]), first);
});

test('with unit batch a step draws one source and takes that source’s own batch', async () => {
  const base = options();
  const lines = base.lines.map((line, place) => ({ ...line, batch: place === 0 ? 2 : 3 }));
  const { globalBatch: _, ...rest } = base;
  const loader = createLoader({ ...rest, lines, unit: 'batch' });
  const seen = new Set<string>();
  for (let step = 0; step < 40; step++) {
    const { examples } = await loader.batch(step);
    const sources = new Set(examples.map(({ id }) => id[0]));
    assert.equal(sources.size, 1);
    const [source] = sources;
    assert.equal(examples.length, source === 'a' ? 2 : 3);
    seen.add(source as string);
  }
  assert.equal(seen.size, 2);
  await loader.close();
});

test('a sample that cannot be used gives way to another of its source, always the same, and is reported', async () => {
  const collect = async (): Promise<{ rows: string[]; bad: BadSample[] }> => {
    const bad: BadSample[] = [];
    const loader = createLoader(
      options({
        lines: [{ source: textSource('a', 20, (index) => index % 4 === 0), rate: 1 }],
        budget: { share: 1 },
        onBadSamples: (entries) => void bad.push(...entries),
      }),
    );
    const rows: string[] = [];
    for (let step = 0; step < 5; step++) rows.push(...(await loader.batch(step)).examples.map(({ id }) => id));
    await loader.close();
    return { rows, bad };
  };
  const first = await collect();
  assert.deepEqual(await collect(), first);
  assert.ok(first.bad.length >= 10);
  for (const entry of first.bad) {
    assert.equal(entry.index % 4, 0);
    assert.notEqual((entry.replacedBy ?? 0) % 4, 0);
    assert.equal(first.rows[entry.step * 8 + entry.slot], `a${entry.replacedBy}`);
    assert.equal(entry.code, 'E_SAMPLE');
  }
});

test('work ahead does not reach the ledger before its step is asked for', async () => {
  const bad: BadSample[] = [];
  const source = textSource('a', 20, (index) => index % 2 === 0);
  const loader = createLoader(
    options({
      lines: [{ source, rate: 1 }],
      prefetch: 4,
      budget: { share: 1 },
      onBadSamples: (entries) => void bad.push(...entries),
    }),
  );
  await loader.batch(0);
  assert.ok(bad.every((entry) => entry.step === 0));
  await loader.close();
});

test('a source with nothing usable stops the run and says why, in the ledger too', async () => {
  const bad: BadSample[] = [];
  const lines = [{ source: textSource('a', 5, () => true), rate: 1 }];
  const loader = createLoader(options({ lines, onBadSamples: (entries) => void bad.push(...entries) }));
  await assert.rejects(loader.batch(0), { code: 'E_BAD_SAMPLES', kind: 'data' });
  await loader.close();
  assert.ok(bad.length > 0 && bad.every(({ replacedBy }) => replacedBy === undefined));
});

test('too many bad samples stop the run; a fault of the program is never counted as one', async () => {
  const loader = createLoader(
    options({
      lines: [{ source: textSource('a', 20, (index) => index < 10), rate: 1 }],
      budget: { least: 3, share: 0 },
    }),
  );
  await assert.rejects(
    (async () => {
      for (let step = 0; step < 10; step++) await loader.batch(step);
    })(),
    { code: 'E_BAD_SAMPLES' },
  );
  await loader.close();
  const faulty: OpenSource = { ...textSource('a', 5), get: () => Promise.reject(new TypeError('a bug')) };
  const second = createLoader(options({ lines: [{ source: faulty, rate: 1 }] }));
  await assert.rejects(second.batch(0), TypeError);
  await second.close();
});

test('the budget bears a few, and a share of many', () => {
  const last: BadSample = {
    step: 1,
    slot: 0,
    source: 'a',
    index: 1,
    code: 'E_IMAGE',
    where: 'x',
    cause: 'y',
    replacedBy: 2,
  };
  const few = createBudget();
  for (let place = 0; place < 16; place++) few.seen([last]);
  assert.throws(() => few.seen([last]), { code: 'E_BAD_SAMPLES', found: /^17 of 17/ });
  const many = createBudget();
  for (let place = 0; place < 9900; place++) many.seen([]);
  for (let place = 0; place < 99; place++) many.seen([last]);
  many.seen([last]);
  assert.throws(() => many.seen([last, last]), { code: 'E_BAD_SAMPLES' });
});

test('a mixture whose sources all have caps gives every step that they last for, work ahead included, and then refuses', async () => {
  const lines = [
    { source: textSource('a', 12), rate: 3, cap: 2 },
    { source: textSource('b', 8), rate: 1, cap: 1.5 },
  ];
  const loader = createLoader(options({ lines, globalBatch: 6, prefetch: 3 }));
  assert.equal(loader.stream.steps, 6);
  const seen = new Map<string, number>();
  for (let step = 0; step < 6; step++) {
    for (const { id } of (await loader.batch(step)).examples) seen.set(id, (seen.get(id) ?? 0) + 1);
  }
  assert.deepEqual(
    [...seen].filter(([id]) => id.startsWith('a')).map(([, count]) => count),
    Array(12).fill(2),
  );
  assert.ok([...seen].filter(([id]) => id.startsWith('b')).every(([, count]) => count === 1 || count === 2));
  await assert.rejects(loader.batch(6), { code: 'E_MIXTURE_END' });
  await loader.close();
});

test('each source has a budget of its own, which its line of the mixture sets', async () => {
  const bad = (name: string, badShare?: number) => ({
    source: textSource(name, 40, (index) => index % 4 === 0),
    rate: 1,
    ...(badShare === undefined ? {} : { badShare }),
  });
  const steps = async (lines: LoaderOptions['lines']) => {
    const loader = createLoader(options({ lines, budget: { least: 1, share: 0 } }));
    for (let step = 0; step < 10; step++) await loader.batch(step);
    await loader.close();
  };
  await steps([bad('a', 0.9), bad('b', 0.9)]);
  await assert.rejects(steps([bad('a', 0.9), bad('b')]), { code: 'E_BAD_SAMPLES', where: /^b: / });
});

test('a run that goes on counts what was bad before, and stops where it would have stopped at once', async () => {
  const lines = [{ source: textSource('a', 40, (index) => index % 4 === 0), rate: 1 }];
  const until = async (from: number, bad: BadSample[]) => {
    const loader = createLoader(
      options({
        lines,
        budget: { least: 9, share: 0 },
        onBadSamples: (list) => void bad.push(...list),
        done: { steps: from, bad: [...bad] },
      }),
    );
    let step = from;
    try {
      for (; step < 20; step++) await loader.batch(step);
    } catch (error) {
      assert.equal((error as TristageError).code, 'E_BAD_SAMPLES');
    }
    await loader.close();
    return step;
  };
  const stop = await until(0, []);
  assert.ok(stop > 2 && stop < 20);
  const bad: BadSample[] = [];
  const first = createLoader(options({ lines, onBadSamples: (list) => void bad.push(...list) }));
  for (let step = 0; step < stop - 1; step++) await first.batch(step);
  await first.close();
  assert.equal(await until(stop - 1, bad), stop);
});

test('readers that share a step make its samples between them, and report bad ones by their place in the step', async () => {
  const lines = [{ source: textSource('a', 20, (index) => index % 4 === 0), rate: 1 }];
  const read = async (reader?: LoaderOptions['reader']) => {
    const bad: BadSample[] = [];
    const loader = createLoader(
      options({
        lines,
        budget: { share: 1 },
        onBadSamples: (entries) => void bad.push(...entries),
        ...(reader === undefined ? {} : { reader }),
      }),
    );
    const ids = [];
    for (let step = 0; step < 3; step++) ids.push((await loader.batch(step)).examples.map(({ id }) => id));
    await loader.close();
    return { ids, bad };
  };
  const whole = await read();
  const shares = await Promise.all([0, 1, 2].map((reader) => read({ reader, readers: 3 })));
  assert.deepEqual(
    [0, 1, 2].map((step) => shares.flatMap(({ ids }) => ids[step] ?? [])),
    whole.ids,
  );
  const order = (list: BadSample[]) => list.toSorted((a, b) => a.step - b.step || a.slot - b.slot);
  assert.deepEqual(order(shares.flatMap(({ bad }) => bad)), order(whole.bad));
  await assert.rejects(read({ reader: 0, readers: 9 }), RangeError);
});

test('the ledger holds one line for each entry, in order, and is only appended to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tristage-ledger-'));
  try {
    const path = join(folder, 'deep', 'bad-samples.jsonl');
    const entry: BadSample = {
      step: 0,
      slot: 0,
      source: 'a',
      index: 1,
      code: 'E_IMAGE',
      where: 'x\ny',
      cause: 'z',
      replacedBy: 2,
    };
    const ledger = openLedger(path);
    await Promise.all([0, 1, 2].map((step) => ledger.append([{ ...entry, step }])));
    await openLedger(path).append([{ ...entry, step: 3 }]);
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as BadSample).step),
      [0, 1, 2, 3],
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('samples without turns, with empty texts or with boxes outside are refused', () => {
  const good: Sample = {
    id: 'x',
    source: 'a',
    task: 'refer',
    turns: [{ question: 'q', answer: 'a' }],
    boxes: [[0, 0, 1, 1]],
  };
  checkSample(good);
  const faults: Partial<Sample>[] = [
    { turns: [] },
    { turns: [{ question: 'q', answer: ' \n' }] },
    { turns: [{ question: '', answer: 'a' }] },
    { boxes: [[0, 0, 1.01, 1]] },
    { boxes: [[0.5, 0, 0.4, 1]] },
    { boxes: [[Number.NaN, 0, 1, 1]] },
  ];
  for (const fault of faults) assert.throws(() => checkSample({ ...good, ...fault }), { code: 'E_SAMPLE' });
});

test('a source of one’s own gets its options checked and must have samples and the task', async () => {
  const mine = defineSource({
    name: 'my-source',
    summary: 'Texts.',
    kind: 'task',
    tasks: ['text'],
    options: z.object({ count: z.int().min(0).default(3) }),
    open: async ({ count, root, task }) => ({ ...textSource(`${root}${task}`, count) }),
  });
  assert.equal((await mine.open({ root: 'r', rate: 5 })).length, 3);
  assert.equal((await mine.open({ root: 'r' })).name, 'rtext');
  await assert.rejects(mine.open({ root: 'r', count: 'many' }), { code: 'E_SOURCE_OPTIONS', kind: 'config' });
  await assert.rejects(mine.open({ root: 'r', task: 'vqa' }), { code: 'E_SOURCE_OPTIONS' });
  await assert.rejects(mine.open({ root: 'r', count: 0 }), { code: 'E_SOURCE', kind: 'data' });
  assert.throws(() => defineSource({ ...mine, name: 'My Source', open: async () => textSource('a', 1) }), RangeError);
  assert.ok(badSample({ id: '1', source: 'a' }, 'x', 'y') instanceof TristageError);
});
