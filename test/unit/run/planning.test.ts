import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { registry } from '../../../bin/registry.ts';
import { faultsOf } from '../../../lib/config/errors.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { badSample } from '../../../lib/data/sample.ts';
import { defineSource } from '../../../lib/data/source.ts';
import { type PlanRequest, planRuns } from '../../../lib/run/planning/index.ts';
import { memoryOnly } from '../../../lib/run/planning/memory-only.ts';
import { keptLines, newFolder, tinyFile } from '../../e2e/tiny-scenes.ts';

/** Texts whose answers have so many words; the first `broken` samples cannot be used. */
const texts = defineSource({
  name: 'plan-texts',
  summary: 'Texts.',
  kind: 'weak',
  embedded: true,
  tasks: ['text'],
  options: z.object({ count: z.int(), words: z.int(), broken: z.int().default(0) }),
  open: async ({ count, words, broken }) => ({
    ...{ name: 'plan-texts', length: count, fingerprint: `texts ${count} ${words}`, notes: [] },
    get: async (index) => {
      if (index < broken) throw badSample({ id: `${index}`, source: 'plan-texts' }, 'damage', 'none');
      const turns = [{ question: 'what', answer: Array(words).fill('word').join(' ') }];
      return { id: `${index}`, source: 'plan-texts', task: 'text', turns };
    },
  }),
});

const own = { ...registry, sources: [...registry.sources, texts] };
const planOf = (request: Partial<PlanRequest> & { lines?: string } = {}) => {
  const { lines, ...rest } = request;
  const file = tinyFile();
  if (lines !== undefined) {
    const text = readFileSync(file, 'utf8');
    const from = text.indexOf('      - {');
    writeFileSync(
      file,
      `${text.slice(0, from)}${lines}\n  maxTokens${text.slice(text.indexOf(':', text.indexOf('maxTokens')))}`,
    );
  }
  return planRuns({ files: [file], set: [], registry: own, logger: keptLines().logger, ...rest });
};

test('a plan counts samples, epochs and tokens of each source, and images, tokens, disk and time of the run', async () => {
  const [run] = await planOf({ set: ['train.steps=100'], speed: 8 });
  assert.ok(run?.sources !== undefined && run.step !== undefined);
  assert.deepEqual([run.totals.steps, run.totals.samples, run.totals.images], [100, 400, 400]);
  assert.equal(
    run.sources.reduce((sum, { samples }) => sum + samples, 0),
    400,
  );
  for (const { rows, share, samples, epochs, repeats, looked, withImage, tokens, unusable } of run.sources) {
    assert.deepEqual([rows, share, looked, withImage, unusable], [64, 0.5, 64, 1, 0]);
    assert.deepEqual([epochs, repeats], [samples / 64, Math.ceil(samples / 64)]);
    assert.ok(Math.abs(samples - 200) < 40);
    assert.ok(tokens !== undefined && tokens.supervised < tokens.mean && tokens.mean <= tokens.p95);
    assert.ok(tokens.p95 <= tokens.longest && tokens.longest <= 96 && tokens.cut === 0);
  }
  assert.deepEqual([run.disk.kept, run.disk.bytes], [2, 3 * run.disk.checkpointBytes]);
  assert.equal(run.duration?.seconds, 50);
  assert.ok(Math.abs(run.totals.tokens - 100 * run.step.tokens) <= 1);
  assert.ok(run.step.fill > 0.3 && run.step.fill < 1);
  const text = run.lines.join('\n');
  for (const part of ['100 steps of 4 samples', '95th percentile', '0:50 at 8.00 samples a second', 'are padding']) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
});

test('a micro-batch that the file leaves to the memory is the one that fits by estimate, and the plan says so', async () => {
  const auto = ['train.globalBatch=8', 'train.microBatch=auto'];
  const [whole] = await planOf({ set: [...auto, 'engine.memory=100'] });
  assert.deepEqual([whole?.memory?.microBatch, whole?.microBatch?.examples, whole?.plan.microBatches], [8, 8, 1]);
  const [single] = await planOf({ set: [...auto, 'engine.memory=0.01'] });
  assert.deepEqual([single?.memory?.microBatch, single?.microBatch?.examples, single?.plan.microBatches], [1, 1, 8]);
  const [text, little] = [whole, single].map((run) => run?.lines.join('\n') ?? '');
  assert.match(text ?? '', /micro-batch: 8 of 8 by estimate \(auto: about .* GB of 100 GB, engine.memory\)/);
  assert.match(
    little ?? '',
    /micro-batch: 1 of 8 by estimate .*a micro-batch of 1 takes more than .*, micro-batch 1: /s,
  );

  const request = { files: [tinyFile()], set: [...auto, 'engine.memory=100'], registry };
  const [alone] = await memoryOnly(request);
  assert.deepEqual([alone?.microBatch?.examples, alone?.memory.microBatch], [8, 8]);
  assert.match(alone?.lines[0] ?? '', /^micro-batch: 8 of 8 by estimate/);

  const [said] = await planOf({ set: ['train.globalBatch=8', 'train.microBatch=2'] });
  assert.deepEqual([said?.memory?.microBatch, said?.microBatch, said?.plan.microBatches], [2, undefined, 4]);
  assert.doesNotMatch(said?.lines.join('\n') ?? '', /by estimate/);
});

test('where nothing says how much memory is free, a plan says so and shows the whole global batch', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '';
  try {
    const [run] = await planOf({ set: ['train.globalBatch=8', 'train.microBatch=auto', 'engine.device=cuda'] });
    assert.deepEqual([run?.memory?.microBatch, run?.microBatch?.examples], [8, 8]);
    assert.match(run?.lines.join('\n') ?? '', /nothing says how much memory is free here: no answer of nvidia-smi/);
  } finally {
    process.env['PATH'] = path;
  }
});

test('the same plan comes out twice, and packing is planned from the rows themselves', async () => {
  const request = { set: ['data.packing.maxTokens=200'] };
  const [[first], [second]] = [await planOf(request), await planOf(request)];
  assert.deepEqual({ ...first, file: '' }, { ...second, file: '' });
  assert.equal(first?.packedRow, 200);
  assert.ok((first?.step?.rows ?? 9) < 4);
});

test('a cap moves the share of a source to the others; caps that do not last for the run are refused', async () => {
  const set = ['train.steps=100', 'data.mixture.sources.0.cap=1'];
  const [run] = await planOf({ set });
  const [first, second] = run?.sources ?? [];
  assert.deepEqual([first?.samples, first?.epochs, first?.cap, second?.samples], [64, 1, 1, 336]);
  assert.equal(first?.share, 64 / 400);
  await assert.rejects(planOf({ set: [...set, 'data.mixture.sources.1.cap=2'] }), {
    code: 'E_MIXTURE_END',
    exitStatus: 3,
    found: 'samples for 48 steps',
  });
});

test('broken limits of all sources are told at once, with status 4', async () => {
  const lines = `      - { source: plan-texts, task: text, count: 40, words: 300 }
      - { source: plan-texts, task: text, count: 50, words: 3, broken: 10 }
      - { source: plan-texts, task: text, count: 50, words: 3, broken: 10, badShare: 0.2 }`;
  await assert.rejects(planOf({ lines }), (error: unknown) => {
    assert.ok(error instanceof TristageError);
    assert.equal(error.exitStatus, 4);
    const faults = faultsOf(error).map((fault) => (fault as TristageError).code);
    assert.deepEqual(faults.sort(), ['E_BAD_SAMPLES', 'E_PLAN_TOKENS']);
    return true;
  });
});

test('samples that are cut or unusable within the limits are told', async () => {
  const lines = '      - { source: plan-texts, task: text, count: 50, words: 3, broken: 2 }';
  const [run] = await planOf({ lines });
  const [source] = run?.sources ?? [];
  assert.deepEqual([source?.looked, source?.unusable, source?.withImage], [50, 2, 0]);
  assert.match(run?.lines.join('\n') ?? '', /2 cannot be used, the first: E_SAMPLE, .*damage/);
});

test('the speed of another run is the median of its steps behind the warm-up', async () => {
  const like = join(newFolder(), 'run');
  mkdirSync(like);
  const step = (samplesPerSecond: number, number: number) =>
    `${JSON.stringify({ event: 'step', step: number + 1, samplesPerSecond })}\n`;
  writeFileSync(join(like, 'events.jsonl'), [1, 10, 12, 11, 10, 12, 11, 10, 12, 11].map(step).join(''));
  const [run] = await planOf({ like });
  assert.equal(run?.duration?.samplesPerSecond, 11);
  assert.match(run?.duration?.from ?? '', /median of 9 steps/);
  await assert.rejects(planOf({ like: newFolder() }), { code: 'E_PLAN_SPEED', exitStatus: 2 });
  await assert.rejects(planOf({ speed: 0 }), { code: 'E_PLAN_SPEED' });
  await assert.rejects(planOf({ samples: 0 }), { code: 'E_SAMPLES' });
});

test('the command prints one document with --json, and nothing else on stdout', () => {
  const args = ['--import', 'tsx', 'bin/tristage.ts', 'plan', tinyFile(), '--samples', '5', '--json'];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0);
  const { ok, runs } = JSON.parse(stdout);
  assert.equal(ok, true);
  assert.deepEqual([runs[0].name, runs[0].sources[1].looked, 'lines' in runs[0]], ['tiny', 5, false]);
});
