import assert from 'node:assert/strict';
import { platform } from 'node:os';
import { describe, test } from 'node:test';
import type { LlamaConfig } from '../../../lib/model/config.ts';
import { checkLoadMemory } from '../../support/load-memory.ts';

const skip = platform() === 'linux' ? false : 'the peak of a process is read from /proc';

/** 0.33 billion weights: LLaMA-2's shapes at half the width and an eighth of the depth. */
const QUARTER: LlamaConfig = {
  vocabulary: 32000,
  width: 2048,
  mlpHidden: 5504,
  layers: 4,
  heads: 16,
  kvHeads: 16,
  rmsEps: 1e-5,
  ropeBase: 10000,
  tieEmbeddings: false,
};

describe('loading takes at most two of the largest tensor and 300 MB beside the weights themselves', { skip }, () => {
  test('in float32', async () => {
    const { extra, limit } = await checkLoadMemory(QUARTER);
    assert.ok(extra <= limit, `${extra} bytes beside the weights, ${limit} allowed`);
  });

  test('in bf16, where the weights are half as large', async () => {
    const { extra, limit, resident } = await checkLoadMemory(QUARTER, 'bf16');
    assert.ok(resident < 2.01 * 332e6, `${resident} bytes of weights`);
    assert.ok(extra <= limit, `${extra} bytes beside the weights, ${limit} allowed`);
  });
});
