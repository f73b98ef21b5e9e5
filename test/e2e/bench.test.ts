/** The benchmarks of steps, small: both sides run and agree. No time is asserted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { benchScale, renderScale } from '../../lib/run/bench/scale/index.ts';
import { benchStep } from '../../lib/run/bench/step/index.ts';
import { renderSteps } from '../../lib/run/bench/step/render.ts';

const MINUTES = 60_000;

describe('benchmarks of steps', () => {
  test('each way of training gives every sample the loss that PyTorch gives it', {
    timeout: 20 * MINUTES,
  }, async (t) => {
    const options = {
      registry,
      engine: 'torch',
      filter: 'tiny',
      rounds: 1,
      threads: 1,
      images: 1,
      questions: 2,
    } as const;
    const report = await benchStep(options).catch((error: unknown) => {
      if (!(error instanceof TristageError && error.code === 'E_BENCH_PYTHON')) throw error;
      t.skip('no Python with the same PyTorch');
    });
    if (report === undefined) return;
    assert.deepEqual(
      report.cases.map(({ name }) => name),
      ['tiny-a', 'tiny-b', 'tiny-b-cached'],
    );
    for (const { lossDifference, sampleLossDifference, ours, theirs, work, memory } of report.cases) {
      assert.ok(lossDifference < 1e-4 && sampleLossDifference < 1e-4);
      assert.deepEqual([ours.threads, theirs.threads], [1, 1]);
      assert.deepEqual([work.samples, work.images], [2, 1]);
      assert.ok(ours.flops <= theirs.flops && memory.ratio > 0);
    }
    const [a, b, cached] = report.cases;
    assert.ok(cached!.ours.flops < b!.ours.flops && b!.ours.flops < a!.ours.flops);
    assert.match(renderSteps(report), /tiny-b-cached +speed .*losses within/);
  });

  test('growth is measured over lengths and over mixtures', { timeout: 20 * MINUTES }, async () => {
    const options = {
      engine: 'torch',
      rounds: 1,
      threads: 1,
      model: 'tiny',
      lengths: [32, 64, 96],
      rows: [1e3, 1e5],
    } as const;
    const report = await benchScale(options);
    assert.deepEqual(
      report.cases.map(({ name }) => name),
      ['length-32', 'length-64', 'length-96', 'rows-1000', 'rows-100000'],
    );
    for (const value of [...Object.values(report.lengthFit), ...Object.values(report.rowsFit)]) {
      assert.ok(Number.isFinite(value));
    }
    assert.match(renderScale(report), /100,000 rows/);
  });
});
