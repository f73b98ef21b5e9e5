/** The benchmarks of loading, generating, starting and calling at tiny sizes: that both sides do their work, not how fast. */

import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { everyPython } from '../../../lib/engine/toolchain.ts';
import { renderGenerate } from '../../../lib/run/bench/generate.ts';
import type { Continued, GenerateCase } from '../../../lib/run/bench/generate-case.ts';
import { benchLoad, renderLoad } from '../../../lib/run/bench/load.ts';
import { llamaOfBytes, writeLoadModel } from '../../../lib/run/bench/load-case.ts';
import { renderOverhead } from '../../../lib/run/bench/overhead.ts';
import { startWorker } from '../../../lib/run/bench/sides.ts';
import { benchStartup, renderStartup } from '../../../lib/run/bench/startup.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MIB = 2 ** 20;
const spread = (median: number) => ({ median, min: median / 2, max: median * 2 });

test('the model of the load bench has about the bytes that are asked for, all of them in one file', async () => {
  const folder = temporaryFolder('tristage-bench-');
  const { file, bytes } = await writeLoadModel(folder, 4 * MIB);
  assert.ok(Math.abs(bytes - 4 * MIB) < 0.2 * MIB, `${bytes} bytes`);
  assert.ok(statSync(file).size > bytes && statSync(file).size < 1.01 * bytes + 10_000);
  const { width, layers } = llamaOfBytes(3 * 1024 * MIB);
  assert.deepEqual([width, layers], [2048, 30]);
});

test('both sides of the load bench read a small file, in the page cache and out of it', {
  skip: everyPython().length === 0 && 'no python3',
}, async () => {
  const report = await benchLoad({ engine: 'torch', rounds: 1, gib: 4 / 1024 });
  assert.deepEqual(
    report.cases.map(({ name, cached }) => [name, cached]),
    [
      ['load-cached', true],
      ['load-uncached', false],
    ],
  );
  for (const { speed, cpu, memory, bytes } of report.cases) {
    assert.ok(speed.ratio > 0 && cpu.ratio > 0 && memory.ratio > 0);
    assert.ok(memory.theirsBytes > bytes && memory.oursBytes > bytes);
  }
  assert.match(renderLoad(report), /load-cached +speed .*target 0\.8/);
});

test('our side of the generate bench continues rows of different lengths, the same each time', async () => {
  const folder = temporaryFolder('tristage-bench-');
  await writeLoadModel(folder, MIB);
  const path = join(folder, 'case.json');
  const work: GenerateCase = { weights: folder, threads: 1, prompts: [[1, 2, 3], [4]], newTokens: 5 };
  writeFileSync(path, JSON.stringify(work));
  const peer = startWorker({ name: 'generate', engine: 'torch', args: [path] });
  try {
    const first = await peer.ask<Continued>({ do: 'continue' });
    assert.deepEqual(
      first.tokens.map((row) => row.length),
      [5, 5],
    );
    assert.ok(first.seconds > 0 && first.cpu > 0);
    assert.deepEqual((await peer.ask<Continued>({ do: 'continue' })).tokens, first.tokens);
  } finally {
    await peer.close();
  }
});

test('our side of the overhead bench times a call of the addon, one of tfjs, and a layer', async () => {
  const peer = startWorker({ name: 'overhead', engine: 'torch', args: ['1'] });
  try {
    for (const call of ['addon', 'tf']) {
      const { seconds } = await peer.ask<{ seconds: number }>({ do: 'time', call, count: 100 });
      assert.ok(seconds > 0 && seconds < 1, `${call}: ${seconds}`);
    }
    const layer = await peer.ask<{ seconds: number }>({ do: 'time', call: 'layer', count: 2 });
    assert.ok(layer.seconds > 0 && layer.seconds < 10, `${layer.seconds}`);
  } finally {
    await peer.close();
  }
});

test('the startup bench starts a command in a process of its own', async () => {
  const report = await benchStartup({ rounds: 1, filter: 'validate-source' });
  const [found] = report.cases;
  assert.equal(report.cases.length, 1);
  assert.equal(found?.command, 'node --import tsx bin/tristage.ts validate configs/quickstart/stage1.yaml');
  assert.ok(found.speed.oursSeconds.median > 0 && found.speed.theirsSeconds.median > 0);
  assert.match(renderStartup(report), /validate-source .* target 0\.6 s/);
});

test('the reports say what was measured, and whether a target is met', () => {
  const speed = { ratio: 1.5, spread: spread(1.5), oursSeconds: spread(2), theirsSeconds: spread(3) };
  const common = { engine: 'torch' as const, library: '2.15.0', torch: '2.15.0+x', speed };
  const generated = renderGenerate({
    threads: 2,
    rounds: 3,
    cases: [
      {
        ...{ ...common, name: 'smol-generate', transformers: '5', prompts: 8, promptTokens: 20, newTokens: 64 },
        memory: { ratio: 0.8, oursBytes: 8, theirsBytes: 10 },
        cpu: { ratio: 1.25, oursSeconds: spread(4), theirsSeconds: spread(5) },
      },
    ],
  });
  assert.match(
    generated,
    /smol-generate +speed 1\.50 .* ours 256\.0 tokens\/s +theirs 170\.7 .*cpu 1\.25 +memory 0\.80/,
  );
  const called = (median: number) => ({
    ...{ ...common, name: 'addon-add', targetSeconds: 2e-6 },
    speed: { ...speed, oursSeconds: spread(median) },
  });
  assert.match(renderOverhead({ threads: 2, rounds: 3, cases: [called(1.5e-6)] }), /1\.50 us .*target 2\.00 us: met/);
  assert.match(renderOverhead({ threads: 2, rounds: 3, cases: [called(2.5e-6)] }), /target 2\.00 us: missed/);
});
