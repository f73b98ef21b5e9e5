/** The count of operations, against a count by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preset } from '../../lib/model/presets.ts';
import { stepFlops } from '../../lib/run/bench/step/flops.ts';

test('a step of the 7B model is two passes through LLaMA and one through the vision transformer', () => {
  const config = preset('minigptv2-7b');
  const tokens = 384;
  const linears = 32 * (4 * 4096 ** 2 + 3 * 4096 * 11008);
  const adapters = 32 * 2 * 64 * (4096 + 4096);
  const llama = tokens * (4 * linears + 6 * adapters) + 32 * 12 * tokens ** 2 * 4096;
  const vision = 39 * (2 * 1025 * (4 * 1408 ** 2 + 2 * 1408 * 6144) + 4 * 1025 ** 2 * 1408) + 2 * 1024 * 1408 * 588;
  const projector = 4 * 256 * 5632 * 4096;
  const head = 4 * 4096 * 32000;
  const flops = (logits: number) => stepFlops(config, { images: 1, projected: 1, tokens, pairs: tokens ** 2, logits });
  assert.equal(flops(1), llama + vision + projector + head);
  assert.equal(flops(33) - flops(1), 32 * head);
});
