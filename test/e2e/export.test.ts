/** Runs as other programs and other runs get them: exported, proved, started from. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { sha256 } from '../../lib/core/hash.ts';
import { readSafetensors, writeSafetensors } from '../../lib/formats/safetensors.ts';
import { exportRun } from '../../lib/run/export.ts';
import { trainRun } from '../../lib/run/train.ts';
import type { CliOutcome } from '../contract/cli-child.ts';
import { checkExport, trainerAnswer } from '../interop/python-exports.ts';
import { exportPython } from '../interop/python-venv.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

const folder = newFolder();
const parent = join(folder, 'parent');
const SHORT = ['train.steps=2', 'model.vocabulary=pruned'];

async function train(name: string, ...set: string[]) {
  const { logger, lines } = keptLines();
  const out = join(folder, name);
  const summary = await trainRun({ run: tinyRun(...SHORT, ...set), folder: out, resume: false, registry, logger });
  return { out, summary, lines };
}

async function write(checkpoint: string, format: string, name: string) {
  const { logger } = keptLines();
  return exportRun({ checkpoint, format, out: join(folder, name), registry, logger });
}

/** Model weights of the only checkpoint of a run after its first steps. */
async function weightsOf(run: string) {
  const [step] = readdirSync(join(run, 'checkpoints')).sort();
  return readSafetensors(join(run, 'checkpoints', step ?? '', 'model.safetensors'));
}

const refused =
  (code: string, ...words: RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof TristageError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.match(`${error.found} | ${error.expected}`, word);
    return true;
  };

const ROOT = resolve(import.meta.dirname, '../..');
const child = fork(join(ROOT, 'test/contract/cli-child.ts'), { execArgv: ['--import', 'tsx'], cwd: ROOT });
after(() => child.disconnect());

/** Runs a command line with `--json`. */
function command(...args: string[]): Promise<{ status: number; output: Record<string, unknown> }> {
  return new Promise((done, fail) => {
    child.once('message', ({ status, stdout }: CliOutcome) => {
      child.removeListener('error', fail);
      done({ status, output: JSON.parse(stdout) as Record<string, unknown> });
    });
    child.once('error', fail);
    child.send({ args: [...args, '--json'], env: { NO_COLOR: '1' } });
  });
}

describe('exports of runs', () => {
  before(async () => {
    await train('parent');
    for (const format of ['peft', 'merged']) await write(parent, format, format);
  });

  test('every part that was trained here is in the export, and its manifest knows the stages', async () => {
    const child = await train('child', `init.from=${parent}`, 'name=second', 'stage=stage2-multitask');
    const { manifest } = await write(child.out, 'peft', 'child-peft');
    for (const name of ['adapter_model', 'projector', 'vision', 'base/model']) {
      assert.ok(manifest.files[`${name}.safetensors`]?.tensors, name);
    }
    assert.deepEqual(manifest.outside, []);
    assert.deepEqual(
      manifest.lineage.map(({ name, stage, step, sources }) => [name, stage, step, sources]),
      [
        ['second', 'stage2-multitask', 2, ['emoji-scenes']],
        ['tiny', 'stage1-pretrain', 2, ['emoji-scenes']],
      ],
    );
    const file = readFileSync(join(parent, 'checkpoints/step-2/model.safetensors'));
    assert.equal(manifest.lineage[1]?.model, sha256(file));
  });

  test('the commands export, refuse to overwrite, replace when told to, and prove', async () => {
    const out = join(folder, 'by-command');
    const made = await command(
      'export',
      '--checkpoint',
      parent,
      '--format',
      'merged',
      '--dtype',
      'float16',
      '--out',
      out,
    );
    assert.equal(made.status, 0);
    assert.equal(made.output['format'], 'merged');
    const again = await command('export', '--checkpoint', parent, '--format', 'peft', '--out', out);
    assert.equal(again.status, 2);
    const replaced = await command('export', '--checkpoint', parent, '--format', 'peft', '--out', out, '--replace');
    assert.equal(replaced.status, 0);
    assert.equal(existsSync(join(out, 'config.json')), false);
    const proved = await command('verify', out);
    assert.deepEqual([proved.status, proved.output['format'], proved.output['maxAbsLogitDiff']], [0, 'peft', 0]);
    rmSync(join(out, 'projector.safetensors'));
    assert.equal((await command('verify', out)).status, 8);
    assert.equal((await command('verify', folder)).status, 2);
    assert.equal((await command('export', '--checkpoint', parent, '--format', 'onnx', '--out', out)).status, 2);
    assert.equal(
      (await command('export', '--checkpoint', parent, '--format', 'peft', '--out', parent, '--replace')).status,
      2,
    );
  });

  test('a run starts from a peft export as from the run itself', async () => {
    const direct = await train('from-run', `init.from=${parent}`);
    const exported = await train('from-peft', `init.from=${join(folder, 'peft')}`);
    const [expected, found] = await Promise.all([weightsOf(direct.out), weightsOf(exported.out)]);
    assert.deepEqual([...found.keys()], [...expected.keys()]);
    for (const [name, { bytes }] of expected) assert.deepEqual(found.get(name)?.bytes, bytes, name);
    assert.equal(exported.summary.lossLast, direct.summary.lossLast);
  });

  test('a run starts from a merged export with adapters of its own', async () => {
    const { out, summary } = await train('from-merged', `init.from=${join(folder, 'merged')}`, 'model.lora.rank=3');
    assert.equal(summary.finished, true);
    const weights = await weightsOf(out);
    const a = [...weights].find(([name]) => name.endsWith('q_proj.lora_A.weight'));
    assert.deepEqual(a?.[1].shape, [3, 16]);
  });

  test('a run refuses to start from another model, naming both values', async () => {
    const cases: [string, string, RegExp[]][] = [
      ['model.llm.width=32', 'E_INIT_PARENT', [/model\.llm\.width: 32/, /model\.llm\.width: 16/]],
      ['model.vision.imageSize=112', 'E_INIT_PARENT', [/imageSize: 112/, /imageSize: 56/]],
      ['model.lora.rank=4', 'E_INIT_PARENT', [/rank: 4/, /rank: 2/]],
      ['model.lora.alpha=8', 'E_INIT_PARENT', [/alpha: 8/, /alpha: 4/]],
      ['model.llm.ropeBase=500000', 'E_INIT_PARENT', [/ropeBase: 500000/, /ropeBase: 10000/]],
      ['data.transform=sharp-cubic', 'E_INIT_PARENT', [/sharp-cubic/, /pillow-bicubic/]],
      ['model.vocabulary=whole', 'E_VOCABULARY', [/whole/, /pruned/]],
    ];
    for (const from of [parent, join(folder, 'peft')]) {
      for (const [set, code, words] of cases) {
        await assert.rejects(train('refused', `init.from=${from}`, set), refused(code, ...words), `${from} ${set}`);
      }
    }
    assert.equal(existsSync(join(folder, 'refused')), false);
  });

  test('a run refuses an export that speaks another template, or is damaged', async () => {
    const out = join(folder, 'spoiled');
    await write(parent, 'peft', 'spoiled');
    const file = join(out, 'manifest.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"[INST] {text} [/INST]"', '"USER: {text} ASSISTANT:"'));
    await assert.rejects(train('refused', `init.from=${out}`), refused('E_INIT_PARENT', /\[INST\]/, /USER:/));
    writeFileSync(file, text);
    writeFileSync(join(out, 'adapter_model.safetensors'), 'x');
    await assert.rejects(train('refused', `init.from=${out}`), refused('E_EXPORT_DAMAGED'));
  });

  test('a published vision tower is named by hash; one that was trained here is taken along', async () => {
    const tower = join(folder, 'tower.safetensors');
    const held = [...(await weightsOf(parent))].filter(([name]) => name.startsWith('visual_encoder.'));
    await writeSafetensors(tower, new Map(held));
    const { out } = await train('towered', `model.weights.vision=${tower}`, 'train.trainable=[projector]');
    const { manifest } = await write(out, 'merged', 'published-tower');
    assert.deepEqual(
      manifest.outside.map(({ part, path, files }) => [part, path, files.map((file) => file.sha256)]),
      [['vision', tower, [sha256(readFileSync(tower))]]],
    );
    assert.equal(manifest.files['vision.safetensors'], undefined);
    const started = await train(
      'from-published',
      `init.from=${join(folder, 'published-tower')}`,
      `model.weights.vision=${tower}`,
    );
    assert.equal((await weightsOf(started.out)).has('visual_encoder.pos_embed'), false);
    writeFileSync(join(folder, 'vision.json'), JSON.stringify({ sha256: sha256(readFileSync(tower)) }));
    const own = await write(out, 'merged', 'own-tower');
    assert.deepEqual(own.manifest.outside, []);
    assert.equal(own.manifest.files['vision.safetensors']?.sha256, sha256(readFileSync(tower)));
  });

  test('Python’s peft and transformers give the trained model’s logits and ids', async (t) => {
    const python = await exportPython();
    if (python === undefined) return t.skip('no Python with torch, transformers and peft; see docs/export.md');
    for (const name of ['peft', 'merged']) {
      const report = await checkExport(join(folder, name), python);
      assert.ok(report.maxAbsLogitDiff <= 1e-4, JSON.stringify(report));
      assert.ok(report.projectorDiff <= 1e-4 && Number(report.towerDiff) <= 1e-4, JSON.stringify(report));
      assert.deepEqual(report.tokenizerFaults, []);
      assert.equal(report.answer, await trainerAnswer(join(folder, name)), 'the lines of the README');
      assert.ok(report.tokenizerCases > 400 && report.places > 50);
    }
  });
});
