import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { checkpointsDir, latestGood, openCheckpoint, writeCheckpoint } from '../../../lib/checkpoint/store.ts';
import { optimizerSources, readOptimizer, tensorSources } from '../../../lib/checkpoint/tensors.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { fromFloat32, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors, type TensorSource, writeSafetensors } from '../../../lib/formats/safetensors.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';

let folder: string;
let runDir: string;
let runs = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-store-'));
  await tf.setBackend('cpu');
  registerFusedKernels('cpu', {});
});
beforeEach(() => {
  runDir = join(folder, `run-${runs++}`);
});
after(() => rm(folder, { recursive: true }));

const source = (...values: number[]): TensorSource => {
  const tensor = fromFloat32(Float32Array.from(values), [values.length]);
  return { dtype: 'F32', shape: tensor.shape, read: () => tensor };
};

const content = (step: number) => ({
  step,
  model: new Map([['llama_proj.bias', source(step, 1, 2)]]),
  optimizer: new Map([['exp_avg.llama_proj.bias', source(3, 4, 5)]]),
  state: { step, nested: { order: ['b', 'a'] } },
});

const save = (step: number, keep?: number) =>
  writeCheckpoint({ runDir, ...content(step), ...(keep === undefined ? {} : { keep }) });

describe('checkpoints', () => {
  it('give back tensors and state, verified', async () => {
    const path = await save(5);
    assert.deepEqual((await readdir(path)).sort(), [
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
      'state.json',
    ]);
    const checkpoint = await openCheckpoint(path);
    assert.equal(checkpoint.step, 5);
    assert.deepEqual(checkpoint.state, content(5).state);
    const model = await readSafetensors(checkpoint.modelFile);
    assert.deepEqual([...toFloat32(model.get('llama_proj.bias')!)], [5, 1, 2]);
  });

  it('are equal byte for byte when the training was equal, wherever and whenever it ran', async () => {
    const one = await save(5);
    runDir = `${runDir}-elsewhere`;
    const two = await save(5);
    for (const name of await readdir(one))
      assert.deepEqual(await readFile(join(one, name)), await readFile(join(two, name)));
  });

  it('rotate by number, so that the newest stay', async () => {
    for (const step of [8, 9, 10]) await save(step, 2);
    assert.deepEqual((await readdir(checkpointsDir(runDir))).sort(), ['step-10', 'step-9']);
    await save(11, 1);
    assert.deepEqual(await readdir(checkpointsDir(runDir)), ['step-11']);
  });

  it('are not pushed out by a later one that the run had to walk back from', async () => {
    for (const step of [5, 6]) await save(step, 2);
    await save(9);
    await truncate(join(checkpointsDir(runDir), 'step-9', 'state.json'), 0);
    await save(7, 2);
    assert.deepEqual((await readdir(checkpointsDir(runDir))).sort(), ['step-6', 'step-7', 'step-9']);
    assert.equal((await latestGood(runDir)).checkpoint?.step, 7);
  });

  it('replace a checkpoint of the same step', async () => {
    await save(3);
    await writeCheckpoint({ runDir, ...content(3), state: 'again' });
    assert.equal((await latestGood(runDir)).checkpoint?.state, 'again');
  });

  it('walk back past damaged ones and name each with its cause', async () => {
    for (const step of [1, 2, 3, 4, 5, 6, 7]) await save(step);
    const at = (step: number, name: string) => join(checkpointsDir(runDir), `step-${step}`, name);
    await truncate(at(7, 'model.safetensors'), 10);
    const bytes = await readFile(at(6, 'optimizer.safetensors'));
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(at(6, 'optimizer.safetensors'), bytes);
    await rm(at(5, 'state.json'));
    await writeFile(at(4, 'manifest.json'), '{"format":1,');
    await rm(at(3, 'manifest.json'));
    await rename(at(2, ''), at(20, ''));
    const { checkpoint, damaged } = await latestGood(runDir);
    assert.equal(checkpoint?.step, 1);
    assert.deepEqual(
      damaged.map(({ path, error }) => [
        path.slice(path.lastIndexOf('step-')),
        error.code,
        error.where?.split('/').at(-1),
      ]),
      [
        ['step-20', 'E_CHECKPOINT_DAMAGED', 'manifest.json'],
        ['step-7', 'E_CHECKPOINT_DAMAGED', 'model.safetensors'],
        ['step-6', 'E_CHECKPOINT_DAMAGED', 'optimizer.safetensors'],
        ['step-5', 'E_CHECKPOINT_DAMAGED', 'state.json'],
        ['step-4', 'E_CHECKPOINT_DAMAGED', 'manifest.json'],
        ['step-3', 'E_CHECKPOINT_DAMAGED', 'manifest.json'],
      ],
    );
  });

  it('are refused for each kind of wrong manifest', async () => {
    const path = await save(1);
    const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8'));
    const wrong = [
      null,
      [],
      3,
      { ...manifest, format: 2 },
      { ...manifest, step: -1 },
      { ...manifest, step: '1' },
      { ...manifest, files: {} },
      { ...manifest, files: { ...manifest.files, 'state.json': { sha256: 'x', bytes: 1 } } },
      { ...manifest, files: { ...manifest.files, 'state.json': null } },
    ];
    for (const value of wrong) {
      await writeFile(join(path, 'manifest.json'), JSON.stringify(value));
      await assert.rejects(openCheckpoint(path), { code: 'E_CHECKPOINT_DAMAGED', kind: 'checkpoint' });
    }
  });

  it('do not mind what a killed process left, and the next write cleans it up', async () => {
    await save(1);
    const left = join(checkpointsDir(runDir), '.tmp-0123456789ab-step-2');
    await cp(join(checkpointsDir(runDir), 'step-1'), left, { recursive: true });
    await mkdir(join(checkpointsDir(runDir), 'step-notes'));
    const { checkpoint, damaged } = await latestGood(runDir);
    assert.deepEqual([checkpoint?.step, damaged], [1, []]);
    await save(2);
    assert.deepEqual((await readdir(checkpointsDir(runDir))).sort(), ['step-1', 'step-2', 'step-notes']);
  });

  it('say when their folder cannot be used', async () => {
    await mkdir(runDir);
    await writeFile(checkpointsDir(runDir), 'a file where the folder should be');
    await assert.rejects(save(1), { code: 'E_CHECKPOINT_FOLDER', kind: 'checkpoint' });
    await assert.rejects(latestGood(runDir), { code: 'E_CHECKPOINT_FOLDER' });
  });

  it('are all kept when no number is given, and refused with a number or step that means nothing', async () => {
    for (const step of [1, 2, 3]) await save(step);
    assert.equal((await readdir(checkpointsDir(runDir))).length, 3);
    for (const [step, keep] of [
      [1, 0],
      [-1, 1],
      [1.5, 1],
    ] as const)
      await assert.rejects(save(step, keep), RangeError);
  });

  it('leave nothing behind when a tensor cannot be read, and say that a run without any has none', async () => {
    assert.deepEqual(await latestGood(runDir), { checkpoint: undefined, damaged: [] });
    const broken: TensorSource = { dtype: 'F32', shape: [1], read: () => Promise.reject(new Error('lost')) };
    await assert.rejects(writeCheckpoint({ runDir, ...content(1), model: new Map([['x', broken]]) }), /lost/);
    assert.deepEqual(await readdir(checkpointsDir(runDir)), []);
    await assert.rejects(writeCheckpoint({ runDir, ...content(1), state: undefined }), TypeError);
  });
});

describe('optimizer files', () => {
  it('carry moments and step counts over', async () => {
    const parameters = new Map([['llama_proj.bias', tf.tidy(() => tf.variable(tf.tensor([1, 2])))]]);
    const optimizer = createAdamW(parameters, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
    const gradient = tf.tensor([0.5, -1]);
    for (let i = 0; i < 3; i++) optimizer.update({ gradients: new Map([['llama_proj.bias', gradient]]), lr: 0.1 });
    const path = await writeCheckpoint({
      runDir,
      step: 3,
      model: tensorSources(parameters),
      optimizer: optimizerSources(optimizer.state),
      state: {},
    });
    const { modelFile, optimizerFile } = await openCheckpoint(path);
    const model = await readSafetensors(modelFile);
    assert.deepEqual(toFloat32(model.get('llama_proj.bias')!), await parameters.get('llama_proj.bias')?.data());
    const moments = await readOptimizer(optimizerFile);
    const want = optimizer.state.get('llama_proj.bias')!;
    assert.deepEqual(moments.get('llama_proj.bias'), {
      step: 3,
      expAvg: await want.expAvg.data(),
      expAvgSq: await want.expAvgSq.data(),
    });
    optimizer.restore(moments);
    optimizer.dispose();
    tf.dispose([gradient, ...parameters.values()]);
  });

  it('are refused when a part is missing or something else is inside', async () => {
    const path = join(folder, 'optimizer.safetensors');
    const tensor = fromFloat32(Float32Array.of(1), [1]);
    const step = { dtype: 'I32', shape: [], bytes: new Uint8Array(4) } as const;
    const cases = [
      { 'exp_avg.x': tensor, 'exp_avg_sq.x': tensor },
      { 'exp_avg.x': tensor, 'step.x': { ...step, shape: [] } },
      { 'exp_avg.x': tensor, 'exp_avg_sq.x': tensor, 'step.x': { ...step, shape: [] }, other: tensor },
      {
        'exp_avg.x': tensor,
        'exp_avg_sq.x': tensor,
        'step.x': { dtype: 'I32' as const, shape: [0], bytes: new Uint8Array(0) },
      },
    ];
    for (const tensors of cases) {
      await writeSafetensors(path, new Map(Object.entries(tensors)));
      await assert.rejects(readOptimizer(path), { code: 'E_OPTIMIZER_STATE' });
    }
  });
});
