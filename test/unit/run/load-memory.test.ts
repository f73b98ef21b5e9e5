import assert from 'node:assert/strict';
import { readFileSync, statfsSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { test } from 'node:test';
import { preset } from '../../../lib/model/presets.ts';
import { checkLoadMemory } from '../../support/load-memory.ts';

const LINUX = platform() === 'linux';
const skip = LINUX ? false : 'the peak of a process is read from /proc';

/** Every shape of LLaMA-2-7B at a quarter of its depth: 1.9 billion weights, 3.8 GB in the file and 7.5 GB on the engine. */
const QUARTER = { ...preset('minigptv2-7b').llm, layers: 8 };
/** Half of the width and an eighth of the depth, for machines without room for the other: 0.33 billion weights. */
const SMALL = { ...QUARTER, width: 2048, mlpHidden: 5504, layers: 4, heads: 16, kvHeads: 16 };

/** Whether the machine has memory and disk for the larger one, and some to spare for what runs beside it. */
function isRoomy(): boolean {
  const available = Number(/MemAvailable:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  const { bavail, bsize } = statfsSync(tmpdir());
  return available > 11e9 && bavail * bsize > 6e9;
}

const model = LINUX && isRoomy() ? QUARTER : SMALL;

test(`loading ${model.layers} layers takes at most two of the largest tensor and 300 MB beside the weights themselves`, {
  skip,
}, async () => {
  const { extra, limit } = await checkLoadMemory(model);
  assert.ok(extra <= limit, `${extra} bytes beside the weights, ${limit} allowed`);
});
