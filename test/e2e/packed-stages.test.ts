/** Two stages that train on packed scenes with a pruned vocabulary: stopped and gone on with, started from each other, asked. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import type { Logger } from '../../lib/core/log.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { runPredict } from '../../lib/run/predict.ts';
import type { RunSummary } from '../../lib/run/run-folder.ts';
import { trainRun } from '../../lib/run/train.ts';
import { testEngine } from '../support/engine.ts';

const folder = mkdtempSync(join(tmpdir(), 'tristage-packed-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const STEPS = 6;
const SCENES = 'source: emoji-scenes, imageSize: 32, minSide: 8, maxSide: 12, classes: [dog, car, tree], count: 500';
const file = join(folder, 'run.yaml');
writeFileSync(
  file,
  `version: 1
name: packed
stage: stage1-pretrain
engine: { backend: ${testEngine() === 'cpu' ? 'torch' : testEngine()}, device: cpu }
model:
  vision: { imageSize: 32, patch: 8, width: 16, depth: 1, heads: 2, mlpHidden: 32 }
  join: 4
  llm: { vocabulary: 32000, width: 32, layers: 2, heads: 2, mlpHidden: 48 }
  vocabulary: pruned
data:
  mixture:
    sources:
      - { ${SCENES}, task: refer, turns: { refer: 1, caption: 1, identify: 1, exists: 1 }, rate: 3 }
      - { ${SCENES}, task: caption, seed: 9, rate: 1 }
  maxTokens: 120
  packing: { maxTokens: 260 }
train:
  trainable: [projector, llm]
  steps: ${STEPS}
  globalBatch: 16
  microBatch: 8
  optimizer: { lr: 5.0e-3 }
  loss: { weighting: answer-root }
  clip: 1
  checkpoint: { everySteps: 2 }
`,
);

interface Said {
  logger: Logger;
  lines: string[];
}

function listen(): Said {
  const lines: string[] = [];
  const keep = (line: string) => void lines.push(line);
  return { lines, logger: { debug: () => undefined, info: keep, warn: keep, error: keep } };
}

function train(
  name: string,
  { set = [] as string[], resume = false, stopAt = 0, said = listen() } = {},
): Promise<RunSummary> {
  const [run] = resolveAll([file], { registry, set });
  assert.ok(run);
  const stop = new AbortController();
  return trainRun({
    run,
    folder: join(folder, name),
    resume,
    registry,
    logger: said.logger,
    signal: stop.signal,
    onStep: ({ step }) => step === stopAt && stop.abort(),
  });
}

const read = (run: string, ...names: string[]): Buffer => readFileSync(join(folder, run, ...names));
const last = `checkpoints/step-${STEPS}`;

describe('training on packed rows with a pruned vocabulary', () => {
  const said = listen();
  let whole: RunSummary;
  before(async () => {
    whole = await train('whole', { said });
  });

  test('the loss falls, and the shares of the mixture are told', () => {
    assert.ok((whole.lossLast ?? 9) < (whole.lossFirst ?? 0) - 0.5, `${whole.lossFirst} to ${whole.lossLast}`);
    const [first, second] = whole.mixture ?? [];
    assert.equal((first?.samples ?? 0) + (second?.samples ?? 0), STEPS * 16);
    assert.deepEqual([first?.planned, second?.planned], [0.75, 0.25]);
    assert.ok(Math.abs((first?.sampleShare ?? 0) - 0.75) < 0.1, `${first?.sampleShare}`);
    assert.deepEqual(Object.keys(first?.tasks ?? {}), ['caption', 'identify', 'refer', 'vqa']);
    assert.match(said.lines.join('\n'), /mixture: emoji-scenes \(refer\): planned 75\.0 %/);
  });

  test('the configuration of the run says how many pieces are kept, and vocabulary.json which', () => {
    const { pieces } = JSON.parse(read('whole', 'vocabulary.json').toString());
    assert.ok(pieces.length > 259 && pieces.length < 800);
    assert.match(read('whole', 'config.resolved.yaml').toString(), new RegExp(`vocabulary: ${pieces.length}\n`));
    assert.match(said.lines.join('\n'), new RegExp(`vocabulary: ${pieces.length} pieces`));
  });

  test('a run that was stopped goes on to the same bytes and the same shares', async () => {
    const part = await train('parts', { stopAt: 3 });
    assert.deepEqual([part.finished, part.step], [false, 3]);
    const rest = await train('parts', { resume: true });
    assert.equal(rest.finished, true);
    for (const name of ['model.safetensors', 'optimizer.safetensors', 'state.json']) {
      assert.ok(read('whole', last, name).equals(read('parts', last, name)), name);
    }
    assert.deepEqual(rest.mixture, whole.mixture);
  });

  test('the next stage takes the vocabulary over, even where its own sources would need another', async () => {
    const set = [
      `init.from=${join(folder, 'whole')}`,
      'train.steps=2',
      'data.mixture.sources.1.classes=[dog, car, key]',
    ];
    await train('next', { set });
    assert.deepEqual(read('next', 'vocabulary.json'), read('whole', 'vocabulary.json'));
    await assert.rejects(train('wrong', { set: [...set, 'model.vocabulary=whole'] }), { code: 'E_VOCABULARY' });
  });

  test('a run is asked in its own vocabulary, with words that it does not hold', async () => {
    const request = {
      checkpoint: join(folder, 'whole'),
      images: [],
      task: 'text',
      maxTokens: 3,
      batch: 1,
      registry,
      logger: listen().logger,
    };
    const { predictions } = await runPredict({ ...request, question: 'a quaint giraffe?' });
    const told = [];
    for await (const prediction of predictions) told.push(prediction);
    assert.equal(told.length, 1);
    assert.ok(told[0] && 'answer' in told[0], 'there is an answer');
  });
});
