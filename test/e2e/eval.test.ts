/** `tristage eval` on a run of a few steps: its files, its table, its gate, and what it refuses. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { summarise } from '../../lib/eval/metrics/summary.ts';
import { readPredictions } from '../../lib/run/eval-report.ts';
import type { CliOutcome } from '../contract/cli-child.ts';
import { testEngine } from '../support/engine.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const STEPS = 2;
const TASKS = ['caption', 'detection', 'grounding', 'identify', 'refer', 'vqa'];

/** The plain backend of tfjs is no engine of a run. */
const engine = testEngine() === 'cpu' ? 'torch' : testEngine();

const QUESTIONS = `eval:
  sources:
    - { source: emoji-scenes, task: vqa, split: heldout, imageSize: 28, samples: 4,
        turns: { refer: 1, identify: 1, detection: 1, grounding: 1, caption: 1, vqa: 1 } }
  batch: 8
  maxNewTokens: { refer: 4, vqa: 4, identify: 4, detection: 4, grounding: 4, caption: 4 }
`;
const RUN = `version: 1
name: asked
stage: stage2-multitask
engine: { backend: ${engine}, device: cpu }
model:
  vision: { imageSize: 28, patch: 7, width: 16, depth: 1, heads: 2, mlpHidden: 32 }
  llm: { vocabulary: 32000, width: 16, layers: 1, heads: 2, mlpHidden: 32 }
data: { mixture: { sources: [{ source: emoji-scenes, task: caption, imageSize: 28 }] } }
train: { steps: ${STEPS}, globalBatch: 2, optimizer: { lr: 0.5 }, trainable: [projector, llm] }
`;

interface Document {
  ok: boolean;
  folder: string;
  figures: Record<string, number>;
  unmet: string[];
  asked: Record<string, number>;
  decode: { maxNewTokens: Record<string, number> };
  metrics: Record<string, { tasks: Record<string, { value: number; n: number; low: number; high: number }> }>;
}

describe('eval', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tristage-eval-'));
  const run = join(folder, 'run');
  const child = fork(join(ROOT, 'test/contract/cli-child.ts'), { execArgv: ['--import', 'tsx'], cwd: ROOT });
  after(() => {
    child.disconnect();
    rmSync(folder, { recursive: true, force: true });
  });

  const tristage = (...args: string[]): Promise<CliOutcome> =>
    new Promise((done, fail) => {
      child.once('message', (outcome: CliOutcome) => {
        child.removeListener('error', fail);
        done(outcome);
      });
      child.once('error', fail);
      child.send({ args, env: { NO_COLOR: '1' } });
    });
  const evaluate = (...args: string[]) => tristage('eval', '--checkpoint', run, ...args);
  const document = async (...args: string[]): Promise<Document> => {
    const { status, stdout, stderr } = await evaluate('--json', ...args);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Document;
  };

  before(async () => {
    writeFileSync(join(folder, 'run.yaml'), RUN + QUESTIONS);
    writeFileSync(join(folder, 'silent.yaml'), RUN);
    for (const [file, out] of [
      ['run.yaml', run],
      ['silent.yaml', join(folder, 'silent')],
    ] as const) {
      const { status, stderr } = await tristage('train', join(folder, file), '--out', out);
      assert.equal(status, 0, stderr);
    }
  });

  test('it writes answers with the settings that made them, and the figures that follow from them', async () => {
    const { status, stdout, stderr } = await evaluate();
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^task +figure +n +model +95 % +chance +untrained +shuffled$/m);
    for (const task of TASKS)
      assert.match(
        stdout,
        new RegExp(`^${task} .* 4 +\\d\\.\\d{3} +\\d\\.\\d{3}-\\d\\.\\d{3}( +\\d\\.\\d{3}){3}$`, 'm'),
      );
    const out = join(run, 'eval', `step-${STEPS}`);
    assert.deepEqual(readdirSync(out).sort(), [
      'metrics.json',
      'predictions.jsonl',
      'shuffled.jsonl',
      'untrained.jsonl',
    ]);
    const { header, answers } = await readPredictions(join(out, 'predictions.jsonl'));
    assert.deepEqual([header.asked, header.run, header.step, header.seed], ['model', 'asked', STEPS, 0]);
    assert.equal(header.decode.method, 'greedy');
    assert.equal(header.decode.maxNewTokens['refer'], 4);
    assert.equal(header.template, '[INST] <Img><ImageHere></Img> {question} [/INST]');
    assert.match(header.checkpoint, /^[0-9a-f]{64}$/);
    assert.equal(header.engine.backend, engine);
    assert.equal(answers.length, 24);
    assert.ok(
      answers.every(({ id, question, truth }) => id.startsWith('heldout/') && question.startsWith('[') && truth),
    );
    const report = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')) as Document;
    assert.deepEqual(report.metrics['model'], JSON.parse(JSON.stringify(summarise(answers))));
    assert.deepEqual(report.asked, Object.fromEntries(TASKS.map((task) => [task, 4])));
    assert.deepEqual(Object.keys(report.metrics), ['model', 'chance', 'untrained', 'shuffled']);
    const untrained = await readPredictions(join(out, 'untrained.jsonl'));
    const said = (list: typeof answers) => list.map(({ answer }) => answer);
    assert.notDeepEqual(said(untrained.answers), said(answers));
    const shuffled = await readPredictions(join(out, 'shuffled.jsonl'));
    assert.deepEqual([untrained.header.asked, shuffled.header.asked], ['untrained', 'shuffled']);
    assert.deepEqual(
      shuffled.answers.map(({ id, truth }) => [id, truth]),
      answers.map(({ id, truth }) => [id, truth]),
    );
  });

  test('the same evaluation gives the same bytes and replaces the one before', async () => {
    const out = join(folder, 'again');
    await document('--out', out);
    const bytes = () => readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'utf8')]);
    const first = bytes();
    await document('--out', out);
    assert.deepEqual(bytes(), first);
  });

  test('options choose the number of questions, leave controls out, and lay values over the run', async () => {
    const few = await document(
      '--samples',
      '2',
      '--no-controls',
      '--out',
      join(folder, 'few'),
      '--set',
      'eval.maxNewTokens.vqa=1',
    );
    assert.deepEqual(Object.keys(few.metrics), ['model']);
    assert.deepEqual(few.asked, Object.fromEntries(TASKS.map((task) => [task, 2])));
    assert.equal(few.decode.maxNewTokens['vqa'], 1);
    assert.deepEqual(readdirSync(few.folder).sort(), ['metrics.json', 'predictions.jsonl']);
    assert.deepEqual(few.figures['refer'], few.metrics['model']?.tasks['refer']?.value);
    assert.equal((await evaluate('--samples', '0')).status, 2);
  });

  test('a gate that is met exits 0, one that is not exits 9 after everything was written, nonsense exits 2', async () => {
    const quick = ['--samples', '1', '--no-controls', '--out', join(folder, 'gate')];
    assert.equal((await document(...quick, '--require', 'refer>=0', '--require', 'mean>=0')).ok, true);
    const { status, stdout, stderr } = await evaluate(
      ...quick,
      '--json',
      '--require',
      'refer>=0',
      '--require',
      'vqa>=1',
    );
    assert.equal(status, 9);
    const { ok, unmet } = JSON.parse(stdout) as Document;
    assert.deepEqual([ok, unmet], [false, ['vqa']]);
    assert.match(stderr, /error E_GATE: vqa is below what is required/);
    const wrong = await evaluate(...quick, '--require', 'refr>=0.5');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /E_REQUIRE/);
  });

  test('without an eval block it says so and exits 3; a split of the training sources or another file serves', async () => {
    const silent = (...args: string[]) =>
      tristage('eval', '--json', '--checkpoint', join(folder, 'silent'), '--no-controls', '--samples', '2', ...args);
    const { status, stderr } = await silent();
    assert.equal(status, 3);
    assert.match(stderr, /E_EVAL_SOURCES[\s\S]*--split heldout/);
    const split = await silent('--split', 'heldout');
    assert.deepEqual((JSON.parse(split.stdout) as Document).asked, { caption: 2 });
    const other = await silent('--config', join(folder, 'run.yaml'));
    assert.deepEqual(Object.keys((JSON.parse(other.stdout) as Document).asked).sort(), TASKS);
  });

  test('what is no run, or a checkpoint that is damaged, exits 8; a folder of something else is refused with 2', async () => {
    const unknown = await tristage('eval', '--checkpoint', join(folder, 'none'));
    assert.equal(unknown.status, 8);
    assert.match(unknown.stderr, /E_NO_CHECKPOINT/);
    const damaged = join(folder, 'damaged');
    cpSync(run, damaged, { recursive: true });
    writeFileSync(join(damaged, `checkpoints/step-${STEPS}/model.safetensors`), 'cut');
    const broken = await tristage('eval', '--checkpoint', damaged);
    assert.equal(broken.status, 8);
    assert.match(broken.stderr, /E_CHECKPOINT_DAMAGED/);
    const foreign = join(folder, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'thesis.txt'), 'mine');
    assert.equal((await evaluate('--out', foreign)).status, 2);
    assert.deepEqual(readdirSync(foreign), ['thesis.txt']);
    await assert.rejects(readPredictions(join(foreign, 'thesis.txt')), { code: 'E_PREDICTIONS' });
  });

  test('one of the run’s checkpoints is asked by its own folder', async () => {
    const { status, stdout } = await tristage(
      'eval',
      '--json',
      '--no-controls',
      '--samples',
      '1',
      '--checkpoint',
      join(run, `checkpoints/step-${STEPS}`),
    );
    assert.equal(status, 0);
    assert.equal((JSON.parse(stdout) as Document).folder, join(run, 'eval', `step-${STEPS}`));
  });
});
