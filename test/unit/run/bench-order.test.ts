import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchOrder, renderOrder } from '../../../lib/run/bench/order-case.ts';

test('the bench of the order finds a step of twenty million samples and measures windows beside a full shuffle', async () => {
  const report = await benchOrder({ rounds: 1 });
  const [found, ...windows] = report.cases;
  assert.ok(found !== undefined && 'step' in found);
  assert.ok(found.samples > 20_000_000);
  assert.deepEqual([found.step, found.globalBatch, found.sources], [1_000_000, 64, 22]);
  for (const { least, most } of [found.cold, found.warm, found.next]) assert.ok(least > 0 && most >= least);
  assert.equal(windows.length, 3);
  for (const one of windows) {
    assert.ok('window' in one);
    assert.equal(one.windowed.openShards, one.window);
    assert.ok(one.windowed.sameShard > one.shuffled.sameShard);
    assert.ok(one.windowed.shardsOfBatch < one.shuffled.shardsOfBatch);
  }
  assert.match(renderOrder(report), /step 1,000,000 of 64 samples from 22 sources with 20,130,016 samples/);
});
