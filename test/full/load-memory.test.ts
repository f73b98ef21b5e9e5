/** The promise about memory that the ordinary tests keep on a small model, on every name and shape of LLaMA-2-7B. */
import assert from 'node:assert/strict';
import { freemem } from 'node:os';
import { test } from 'node:test';
import { preset } from '../../lib/model/presets.ts';
import { checkLoadMemory } from '../support/load-memory.ts';

/** Bytes of 6.7 billion weights, and what else the process takes. */
const NEEDED = { float32: 29e9, bf16: 15.5e9 };

for (const precision of ['float32', 'bf16'] as const) {
  const skip =
    freemem() < NEEDED[precision] ? `needs ${NEEDED[precision] / 1e9} GB of free memory and 14 GB of disk` : false;
  test(`LLaMA-2-7B of a file in bf16 loads in ${precision} with two of its largest tensor and 300 MB beside the weights`, {
    skip,
  }, async () => {
    const { extra, limit } = await checkLoadMemory(preset('minigptv2-7b').llm, precision);
    process.stdout.write(`# ${precision}: ${Math.round(extra / 2 ** 20)} MiB beside the weights\n`);
    assert.ok(extra <= limit, `${extra} bytes beside the weights, ${limit} allowed`);
  });
}
