import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { summaryTracker } from '../../../lib/run/summary.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

test('seconds, losses and the share that steps waited for data count over all parts of a run', () => {
  const events = join(temporaryFolder('tristage-summary-'), 'events.jsonl');
  const step = (number: number, loss: number) => ({ event: 'step', step: number, loss, seconds: 2, dataWait: 0.25 });
  const skip = { event: 'skip', step: 3, seconds: 1, fault: 'loss' };
  writeFileSync(events, [step(1, 5), step(2, 4), skip].map((event) => `${JSON.stringify(event)}\n`).join(''));
  const tracker = summaryTracker(events);
  tracker.add({ loss: 3, seconds: 5, waitSeconds: 1 });
  assert.deepEqual([tracker.steps(), tracker.skipped(), tracker.seconds()], [4, 1, 10]);
  assert.deepEqual([tracker.first(), tracker.last()], [5, 3]);
  assert.equal(tracker.dataWait(), 0.2);
});

test('a run without a step has waited for nothing', () => {
  assert.equal(summaryTracker().dataWait(), 0);
});
