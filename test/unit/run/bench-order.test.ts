import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withQuickstartMixture } from '../../../bin/quickstart-mixture.ts';
import { fillLine, measureFills } from '../../../lib/run/bench/fill-case.ts';
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

test('the rows of the quickstart are packed as its runs pack them, and nearly full', async () => {
  const [first, ...others] = await withQuickstartMixture(measureFills);
  assert.ok(first !== undefined);
  assert.deepEqual(
    [first, ...others].map(({ name, maxTokens }) => [name, maxTokens]),
    [
      ['fill-stage1', 320],
      ['fill-stage2', 256],
      ['fill-stage3', 256],
      ['fill-all', 320],
    ],
  );
  assert.equal(first.samples, 120);
  for (const { fill } of [first, ...others]) assert.ok(fill > 0.9 && fill <= 1, `${fill}`);
  assert.ok(first.fill >= 0.95, `${first.fill}`);
  // Of the chain as a whole; its second stage alone is a little emptier.
  const all = others.at(-1);
  assert.ok(all !== undefined && all.fill >= 0.95, `${all?.fill}`);
  assert.match(
    fillLine(first),
    /^fill-stage1: rows are full to 9\d\.\d % \(120 samples in \d+\.\d rows of at most 320 tokens/,
  );
});
