import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoopRequest, runLoop, type StepRecord } from '../../../lib/train/loop.ts';

/** A loop whose data and updates are written down. */
function recorded(changes: Partial<LoopRequest<number>>) {
  const log: string[] = [];
  const records: StepRecord[] = [];
  const request: LoopRequest<number> = {
    from: 0,
    to: 4,
    data: async (index) => {
      log.push(`data ${index}`);
      return index * 10;
    },
    update: (index, data) => {
      log.push(`update ${index} with ${data}`);
      return { loss: 1 / (index + 1), lr: 0.1, gradNorm: 1, tasks: {}, tokens: 5 };
    },
    onStep: (record) => records.push(record),
    save: async (step) => void log.push(`save ${step}`),
    saveEvery: 2,
    ...changes,
  };
  return { request, log, records };
}

test('every update gets the data of its own index, and the next data is asked for before the update', async () => {
  const { request, log, records } = recorded({});
  assert.deepEqual(await runLoop(request), { step: 4, interrupted: false });
  assert.deepEqual(log, [
    'data 0',
    'data 1',
    'update 0 with 0',
    'data 2',
    'update 1 with 10',
    'save 2',
    'data 3',
    'update 2 with 20',
    'update 3 with 30',
    'save 4',
  ]);
  assert.deepEqual(
    records.map(({ step }) => step),
    [1, 2, 3, 4],
  );
});

test('a run that goes on starts with the data after its checkpoint', async () => {
  const { request, log } = recorded({ from: 3 });
  await runLoop(request);
  assert.deepEqual(log, ['data 3', 'update 3 with 30', 'save 4']);
});

test('a finished run does nothing', async () => {
  const { request, log } = recorded({ from: 4 });
  assert.deepEqual(await runLoop(request), { step: 4, interrupted: false });
  assert.deepEqual(log, []);
});

test('the last step is saved once, also when it falls between two saves', async () => {
  const { request, log } = recorded({ to: 3 });
  await runLoop(request);
  assert.deepEqual(
    log.filter((line) => line.startsWith('save')),
    ['save 2', 'save 3'],
  );
});

test('an interrupt ends the step under way, saves it and stops', async () => {
  const controller = new AbortController();
  const { request, log } = recorded({ signal: controller.signal, to: 100, saveEvery: 50 });
  request.onStep = ({ step }) => {
    if (step === 3) controller.abort();
  };
  assert.deepEqual(await runLoop(request), { step: 3, interrupted: true });
  assert.equal(log.at(-1), 'save 3');
});

test('an interrupt right after a save does not save twice', async () => {
  const controller = new AbortController();
  const { request, log } = recorded({ signal: controller.signal });
  request.onStep = ({ step }) => {
    if (step === 2) controller.abort();
  };
  await runLoop(request);
  assert.deepEqual(
    log.filter((line) => line.startsWith('save')),
    ['save 2'],
  );
});

test('an interrupt that comes while a step computes is seen before the next step', async () => {
  const controller = new AbortController();
  setImmediate(() => controller.abort());
  const { request } = recorded({ signal: controller.signal, to: 1000 });
  const result = await runLoop(request);
  assert.equal(result.interrupted, true);
  assert.ok(result.step < 1000);
});

test('a fault of the data of a later step reaches the caller when that step comes, not before', async () => {
  const { request, log } = recorded({});
  request.data = async (index) => {
    if (index === 2) throw new Error('no photo');
    return index;
  };
  await assert.rejects(runLoop(request), /no photo/);
  assert.deepEqual(
    log.filter((line) => line.startsWith('update')),
    ['update 0 with 0', 'update 1 with 1'],
  );
});
