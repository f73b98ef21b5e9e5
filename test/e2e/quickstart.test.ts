/** The quickstart in miniature on the engine under test: what it leaves behind, and what a second call does. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { writeWeakShards } from '../../datasets/emoji-scenes/weak.ts';
import { createLogger } from '../../lib/core/log.ts';
import { type QuickstartRequest, runQuickstart } from '../../lib/run/quickstart.ts';
import { type QuickstartSummary, quickstartText } from '../../lib/run/quickstart-summary.ts';
import { testEngine } from '../support/engine.ts';
import { barriers, named, parsePage, reachesOut, textOf } from '../support/page.ts';

const CONFIGS = resolve(import.meta.dirname, '../../configs/quickstart');
const TASKS = ['refer', 'identify', 'vqa', 'detection', 'grounding', 'caption'];
const engine = testEngine();
const folder = mkdtempSync(join(tmpdir(), 'tristage-quickstart-'));
const out = join(folder, 'quickstart');
after(() => rmSync(folder, { recursive: true, force: true }));

interface Call {
  signal?: AbortSignal;
  /** Sees each line of progress. */
  watch?: (line: string) => void;
  require?: string[];
}

let written = 0;

async function quickstart({ signal, watch, require = [] }: Call) {
  const lines: string[] = [];
  const request: QuickstartRequest = {
    stages: ['stage1', 'stage2', 'stage3'].map((name) => ({ file: join(CONFIGS, `${name}.yaml`), samples: 2 })),
    out,
    engine: engine === 'tensorflow' ? 'tensorflow' : 'torch',
    weakData: async (dir) => {
      const there = { laion: join(dir, 'laion'), grit: join(dir, 'grit') };
      if (existsSync(there.grit)) return there;
      written += 1;
      return { ...(await writeWeakShards({ dir, shards: 1, samplesPerShard: 12, seed: 5 })) };
    },
    registry,
    logger: createLogger({
      sink: (line) => {
        lines.push(line);
        watch?.(line);
      },
    }),
    share: 0.01,
    exports: ['peft', 'merged', 'minigptv2'],
    require,
    set: [
      `model.weights.vision=${join(CONFIGS, 'vision.safetensors')}`,
      'train.globalBatch=20',
      'train.schedule.warmupSteps=0',
      'eval.maxNewTokens={vqa: 4, identify: 4, refer: 4, detection: 4, grounding: 4, caption: 4}',
    ],
    setupSeconds: 3,
    signal,
  };
  return { ...(await runQuickstart(request)), text: lines.join('\n') };
}

describe('quickstart', { skip: engine === 'cpu' ? 'trains with an engine of its own' : false }, () => {
  test('stopped in stage 2 it leaves no summary, and the stage before it is whole', async () => {
    const controller = new AbortController();
    const { summary, text } = await quickstart({
      signal: controller.signal,
      watch: (line) => {
        if (line.startsWith('stage2, 2 of 3')) controller.abort();
      },
    });
    assert.equal(summary, undefined, text);
    assert.equal(existsSync(join(out, 'summary.json')), false);
    assert.equal(existsSync(join(out, 'stage1/summary.json')), true);
    assert.equal(existsSync(join(out, 'stage3')), false);
  });

  test('a second call goes on where it stopped and ends with every figure, naming those that are too low', async () => {
    const { summary, unmet, text } = await quickstart({ require: ['refer>=0', 'grounding>=1'] });
    assert.match(text, /stage1 is finished/);
    assert.equal(written, 1, 'the data is written once');
    assert.ok(summary !== undefined);
    assert.deepEqual(
      unmet.map(({ where }) => where),
      ['grounding'],
    );
    const read = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as QuickstartSummary;
    assert.deepEqual(read, summary);
    assert.equal(read.engine, engine);
    assert.equal(read.setupSeconds, 3);
    assert.deepEqual(
      read.exports.map(({ format, path }) => [format, path]),
      ['peft', 'merged', 'minigptv2'].map((format) => [format, join(out, 'exports', format)]),
    );
    for (const { path, maxAbsLogitDiff } of read.exports) {
      assert.ok(maxAbsLogitDiff < 1e-3, path);
      assert.ok(existsSync(join(path, 'manifest.json')), path);
    }
    assert.deepEqual(
      read.stages.map(({ name, steps }) => [name, steps > 0]),
      [
        ['stage1', true],
        ['stage2', true],
        ['stage3', true],
      ],
    );
    for (const { lossFirst, lossLast, seconds, samplesPerSecond } of read.stages) {
      for (const number of [lossFirst, lossLast, seconds, samplesPerSecond]) assert.ok(Number(number) > 0);
    }
    const [training, exporting] = [read.stages, read.exports].map((parts) =>
      parts.reduce((sum, { seconds }) => sum + seconds, 0),
    );
    assert.ok(exporting! > 0 && read.wallSeconds >= training! + exporting!);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    for (const { format } of read.exports) assert.ok(page.includes(`exported as ${format}`), format);
    assert.deepEqual(Object.keys(read.metrics), ['chance', 'untrained', 'shuffled', 'stage1', 'stage2', 'stage3']);
    for (const [who, tasks] of Object.entries(read.metrics)) {
      assert.deepEqual(Object.keys(tasks), TASKS, who);
      for (const { value, n, low, high } of Object.values(tasks)) {
        assert.ok(n === 2 && low <= value && value <= high, who);
      }
    }
    const table = quickstartText(read);
    for (const word of [...TASKS, 'shuffled', 'stage3']) assert.match(table, new RegExp(word));
  });

  test('each stage starts from the one before it, and keeps the frozen tower out of its checkpoint', () => {
    for (const stage of ['stage1', 'stage2', 'stage3']) {
      const resolved = readFileSync(join(out, stage, 'config.resolved.yaml'), 'utf8');
      const before = { stage1: undefined, stage2: 'stage1', stage3: 'stage2' }[stage];
      if (before === undefined) assert.doesNotMatch(resolved, /^init:/m);
      else assert.ok(resolved.includes(join(out, before)), resolved);
      const [step = ''] = readdirSync(join(out, stage, 'checkpoints'));
      assert.ok(existsSync(join(out, stage, 'checkpoints', step, 'model.safetensors')));
      assert.deepEqual(readdirSync(join(out, stage, 'eval')), [step]);
    }
  });

  test('it ends with a page on its three stages, with pictures of what was asked', () => {
    const text = readFileSync(join(out, 'report.html'), 'utf8');
    const page = parsePage(text);
    assert.deepEqual([page.faults, reachesOut(page), barriers(page)], [[], [], []]);
    assert.match(textOf(named(page, 'h1')[0] as (typeof page.elements)[number]), /stage1 → stage2 → stage3/);
    assert.ok(named(page, 'image').length > 0);
    for (const stage of ['stage1', 'stage2', 'stage3']) assert.ok(existsSync(join(out, stage, 'report.html')), stage);
  });

  test('after a finished one the next call begins anew beside it', async () => {
    const controller = new AbortController();
    controller.abort();
    const { summary, text } = await quickstart({ signal: controller.signal });
    assert.equal(summary, undefined);
    assert.match(text, /moved the quickstart of an earlier call/);
    const aside = readdirSync(folder).find((name) => name.startsWith('quickstart-'));
    assert.ok(aside !== undefined && existsSync(join(folder, aside, 'summary.json')));
    assert.equal(existsSync(join(out, 'stage1')), false);
  });
});
