/** The promise about memory that the ordinary tests keep on a small model, on every name and shape of LLaMA-2-7B. */
import assert from 'node:assert/strict';
import { freemem } from 'node:os';
import { test } from 'node:test';
import { preset } from '../../lib/model/presets.ts';
import { checkLoadMemory } from '../support/load-memory.ts';

/** 6.7 billion float32 weights, and what else the process takes. */
const NEEDED = 29e9;

const skip = freemem() < NEEDED ? `needs ${NEEDED / 1e9} GB of free memory and 14 GB of disk` : false;

test('LLaMA-2-7B in bf16 loads with two of its largest tensor and 300 MB beside the weights', { skip }, async () => {
  const { extra, limit } = await checkLoadMemory(preset('minigptv2-7b').llm);
  process.stdout.write(`# ${Math.round(extra / 2 ** 20)} MiB beside the weights\n`);
  assert.ok(extra <= limit, `${extra} bytes beside the weights, ${limit} allowed`);
});
