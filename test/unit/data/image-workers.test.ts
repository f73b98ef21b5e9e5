import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createImageWorkers, type ImageWorkersOptions } from '../../../lib/data/image-workers.ts';
import type { BadSample } from '../../../lib/data/ledger.ts';
import { createLoader } from '../../../lib/data/loader.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const faulty = new URL('../../support/faulty-image-worker.ts', import.meta.url);
const options: ImageWorkersOptions = { size: 8, module: faulty, patience: 2000 };
const named = (name: string) => ({ path: name });

test('a worker that dies is replaced; the image that ended it twice is bad, and every other one is loaded', async () => {
  const workers = createImageWorkers({ ...options, threads: 2 });
  const names = ['a', 'slow b', 'c dies', 'd', 'slow e', 'f', 'g dies', 'h', 'i'];
  const results = await Promise.allSettled(names.map((name) => workers.load(named(name))));
  for (const [place, result] of results.entries()) {
    const name = names[place] as string;
    if (name.includes('dies')) {
      assert.ok(result.status === 'rejected');
      const { code, kind, where, found } = result.reason;
      assert.deepEqual([code, kind, where], ['E_IMAGE_WORKER', 'data', name]);
      assert.match(found, /code 7/);
    } else {
      assert.ok(result.status === 'fulfilled', name);
      assert.equal(Buffer.from(result.value).toString().replaceAll('\0', ''), name);
    }
  }
  assert.equal(workers.inFlight(), 0);
  await workers.close();
});

test('a worker that hangs is ended and replaced, and its other images are loaded', async () => {
  const workers = createImageWorkers({ ...options, threads: 1, patience: 300 });
  const results = await Promise.allSettled(['slow a', 'hangs', 'b', 'c'].map((name) => workers.load(named(name))));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  const [, hung] = results;
  assert.ok(hung?.status === 'rejected');
  assert.match(hung.reason.found, /no answer within 0.3 s/);
  await workers.close();
});

test('workers never have more images than they may, however many are asked for', async () => {
  const workers = createImageWorkers({ ...options, threads: 2, atOnce: 3 });
  let most = 0;
  const loads = Array.from({ length: 200 }, async (_, place) => {
    await workers.load(named(`image ${place}`));
    most = Math.max(most, workers.inFlight());
  });
  await Promise.all(loads);
  assert.ok(most > 0 && most <= 6, `${most}`);
  await workers.close();
});

test('a worker that cannot start is a fault of the program, not of an image', async () => {
  const workers = createImageWorkers({ ...options, module: new URL('./nowhere.ts', import.meta.url) });
  const both = await Promise.allSettled([workers.load(named('a')), workers.load(named('b'))]);
  for (const result of both) {
    assert.ok(result.status === 'rejected');
    assert.deepEqual([result.reason.code, result.reason.kind], ['E_IMAGE_WORKER', 'failure']);
  }
  await assert.rejects(workers.load(named('later')), { code: 'E_IMAGE_WORKER', kind: 'failure' });
  await workers.close();
});

test('workers that hang while they start are given up in time', async () => {
  const module = new URL(`${faulty.href}?hangs`);
  const workers = createImageWorkers({ ...options, module, threads: 2, startPatience: 400 });
  await assert.rejects(workers.load(named('a')), {
    code: 'E_IMAGE_WORKER',
    kind: 'failure',
    found: 'it did not start within 0.4 s',
  });
  await workers.close();
});

test('an answer that came while this thread was busy for longer than the patience counts', async () => {
  const workers = createImageWorkers({ ...options, patience: 300 });
  await workers.load(named('first'));
  const late = workers.load(named('slow'));
  const end = performance.now() + 700;
  while (performance.now() < end);
  assert.ok((await late).length > 0);
  await workers.close();
});

test('closing rejects what is under way and what waits', async () => {
  const workers = createImageWorkers({ ...options, atOnce: 1 });
  const loads = ['slow a', 'slow b', 'slow c'].map((name) => workers.load(named(name)));
  const settled = Promise.allSettled(loads);
  await workers.close();
  for (const result of await settled) assert.equal(result.status, 'rejected');
  await assert.rejects(workers.load(named('late')), { code: 'E_IMAGE_WORKER' });
});

test('a process whose only work is closing workers lives until they are closed, whatever they still say', async () => {
  const url = new URL('../../../lib/data/image-workers.ts', import.meta.url).href;
  // Whether the last words come before or after the closing is chance.
  const code = `
    import { createImageWorkers } from '${url}';
    for (let round = 0; round < 6; round++) {
      const workers = createImageWorkers({ size: 8, threads: 1, module: new URL('${faulty.href}') });
      await workers.load({ path: 'chatty' });
      await workers.close();
    }
    console.log('closed');`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.equal(stdout, 'closed\n');
});

test('an image that ends workers gives way to another sample, and stands in the ledger', async () => {
  const tokenizer = await llama2Tokenizer();
  const source: OpenSource = {
    ...{ name: 'photos', length: 12, fingerprint: 'photos', notes: [] },
    get: async (index) => ({
      ...{ id: String(index), source: 'photos', task: 'vqa', image: named(index === 5 ? 'dies' : String(100 + index)) },
      turns: [{ question: 'what is it', answer: `number ${index}` }],
    }),
  };
  const bad: BadSample[] = [];
  const loader = createLoader({
    ...{ lines: [{ source, rate: 1 }], seed: 3, globalBatch: 6, prefetch: 0 },
    encode: { tokenizer, imageTokens: 4 },
    // The pixels of this worker are the names of the images; a batch copies them as they are.
    images: { ...options, size: 1 },
    onBadSamples: (entries) => void bad.push(...entries),
  });
  const ids = [];
  for (let step = 0; step < 2; step++) ids.push(...(await loader.batch(step)).examples.map(({ id }) => id));
  await loader.close();
  assert.equal(ids.length, 12);
  assert.ok(!ids.includes('5'));
  assert.deepEqual(
    bad.map(({ index, code, where }) => [index, code, where]),
    [[5, 'E_IMAGE_WORKER', 'dies']],
  );
});

test('a consumer that stops asking leaves only the steps ahead under way, and one that goes on gets every step', async () => {
  const tokenizer = await llama2Tokenizer();
  let asked = 0;
  const source: OpenSource = {
    ...{ name: 'texts', length: 1000, fingerprint: 'texts', notes: [] },
    get: async (index) => {
      asked += 1;
      return { id: String(index), source: 'texts', task: 'text', turns: [{ question: 'q', answer: `a ${index}` }] };
    },
  };
  const loader = createLoader({
    ...{ lines: [{ source, rate: 1 }], seed: 3, globalBatch: 5, prefetch: 3 },
    encode: { tokenizer, imageTokens: 4 },
    images: { size: 8, threads: 0 },
  });
  for (let step = 0; step < 20; step++) {
    await loader.batch(step);
    // Long enough for any work that nothing holds back.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(asked, 5 * (step + 1 + 3));
  }
  await loader.close();
});
