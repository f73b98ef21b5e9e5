/** The parts of `tristage bench scale` that do not measure. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLoader } from '../../../lib/data/loader.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { fitLine } from '../../../lib/run/bench/scale/fit.ts';
import { syntheticMixture } from '../../../lib/run/bench/scale/rows.ts';

describe('bench scale', () => {
  test('points on a line give the line, and one beside it a residual of its own size', () => {
    const xs = [1, 2, 4, 8];
    const exact = fitLine(xs.map((x) => ({ x, y: 3 + 2 * x })));
    assert.ok(Math.abs(exact.constant - 3) < 1e-9 && Math.abs(exact.slope - 2) < 1e-9);
    assert.ok(exact.residuals.every((residual) => Math.abs(residual) < 1e-9));
    const bent = fitLine(xs.map((x) => ({ x, y: 3 + 2 * x + (x === 8 ? 4 : 0) })));
    assert.ok(Math.max(...bent.residuals.map(Math.abs)) > 0.02);
  });

  test('a mixture of twenty million rows gives steps far out as one of ten thousand does', async () => {
    const tokenizer = await llama2Tokenizer();
    for (const rows of [1e4, 2e7]) {
      const lines = syntheticMixture(rows);
      assert.equal(
        lines.reduce((sum, { source }) => sum + source.length, 0),
        rows,
      );
      const loader = createLoader({
        lines,
        seed: 1,
        globalBatch: 16,
        encode: { tokenizer, imageTokens: 16 },
        images: { size: 28 },
        packing: { maxTokens: 256 },
        prefetch: 0,
      });
      const batch = await loader.batch(5000);
      await loader.close();
      assert.equal(batch.examples.length, 16);
      assert.ok(batch.shape[0] < 16 && batch.labels.some((label) => label >= 0));
    }
  });
});
