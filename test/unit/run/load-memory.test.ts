import assert from 'node:assert/strict';
import { platform } from 'node:os';
import { test } from 'node:test';
import { checkLoadMemory } from '../../support/load-memory.ts';

const skip = platform() === 'linux' ? false : 'the peak of a process is read from /proc';

test('loading takes at most two of the largest tensor and 300 MB beside the weights themselves', { skip }, async () => {
  // 0.33 billion weights: LLaMA-2's shapes at half the width and an eighth of the depth
  const { extra, limit } = await checkLoadMemory({
    vocabulary: 32000,
    width: 2048,
    mlpHidden: 5504,
    layers: 4,
    heads: 16,
    kvHeads: 16,
    rmsEps: 1e-5,
    ropeBase: 10000,
    tieEmbeddings: false,
  });
  assert.ok(extra <= limit, `${extra} bytes beside the weights, ${limit} allowed`);
});
