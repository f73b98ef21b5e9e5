import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEventLog, readEvents, type StepEvent } from '../../../lib/report/events.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const path = () => join(temporaryFolder('tristage-events-'), 'events.jsonl');

const stepEvent = (step: number): StepEvent => ({
  event: 'step',
  step,
  loss: 2 / step,
  lr: 1e-3,
  gradNorm: 1,
  tasks: { caption: { loss: 2 / step, tokens: 9 } },
  tokens: 9,
  samplesPerSecond: 4,
  dataWait: 0.1,
  seconds: 0.5,
});

test('events are read as they were written, each with its time', async () => {
  const file = path();
  const log = await openEventLog(file, 0);
  for (const step of [1, 2]) log.write(stepEvent(step));
  log.close();
  const events = readEvents(file) as (StepEvent & { time: string })[];
  assert.deepEqual(
    events.map(({ time, ...event }) => event),
    [stepEvent(1), stepEvent(2)],
  );
  assert.ok(events.every(({ time }) => !Number.isNaN(Date.parse(time))));
});

test('a run that goes on drops the steps after its checkpoint and a line that a crash cut', async () => {
  const file = path();
  const log = await openEventLog(file, 0);
  for (const step of [1, 2, 3]) log.write(stepEvent(step));
  log.close();
  appendFileSync(file, '{"event":"step","st');
  const again = await openEventLog(file, 2);
  again.write(stepEvent(3));
  again.close();
  assert.deepEqual(
    readEvents(file).map(({ step }) => step),
    [1, 2, 3],
  );
});

test('a whole line that is no event is a coded error with its line', () => {
  const file = path();
  appendFileSync(file, `${JSON.stringify(stepEvent(1))}\nnonsense\n`);
  assert.throws(() => readEvents(file), { code: 'E_EVENTS', where: `${file}:2` });
});
