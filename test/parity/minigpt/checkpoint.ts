/** The original's own checkpoint: read through the importer, and its optimizer held against ours. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import type { Variable } from '../../../lib/engine/tf.ts';
import { type HostTensor, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readTorchFile } from '../../../lib/formats/torch-zip.ts';
import { decays, type Moments } from '../../../lib/train/adamw.ts';
import { LIMITS } from '../fixture.ts';
import type { StepFixture } from './step-fixture.ts';

/** The training run whose end the checkpoint was written at. */
export const SAVED_AFTER = 'accum1';

/** What torch.save wrote, as far as it is compared. */
interface SavedOptimizer {
  state: Record<string, { step: number | HostTensor; exp_avg: HostTensor; exp_avg_sq: HostTensor }>;
  param_groups: { params: number[]; weight_decay: number }[];
}

/** The end of our own training run. */
interface Trained {
  trainable: ReadonlyMap<string, Variable>;
  state: ReadonlyMap<string, Readonly<Moments>>;
}

export async function compareCheckpoint(fixture: StepFixture, trained: Trained): Promise<void> {
  const { dir, checks } = fixture;
  const files = (await readdir(dir)).filter((name) => /^checkpoint_\d+\.pth$/.test(name));
  checks.equal('checkpoint files', [files.length], [1]);
  for (const file of files) {
    await compareWeights(fixture, file, trained);
    await compareOptimizer(fixture, file, trained);
  }
}

async function compareWeights(
  { dir, checks, io, weights }: StepFixture,
  file: string,
  trained: Trained,
): Promise<void> {
  const expected = new Map([...trained.trainable].map(([name, { shape }]) => [name, shape]));
  const { tensors, report } = await readWeights({ path: join(dir, file), expected });
  checks.equal(`${file} names`, [...tensors.keys()].sort(), [...expected.keys()].sort());
  checks.equal(
    `${file} surplus`,
    report.ignored.filter(({ key }) => !key.endsWith('.inv_freq')),
    [],
  );
  for (const name of weights.published) {
    const tensor = tensors.get(weights.inMemory(name) ?? '');
    const final = `train_${SAVED_AFTER}.final.${name}`;
    if (tensor !== undefined && io.has(final)) checks.equal(`${file} ${name}`, toFloat32(tensor), io.floats(final));
  }
}

/** Moments: the reference numbers parameters group by group, those that decay first. */
async function compareOptimizer(
  { dir, checks, weights, trainable }: StepFixture,
  file: string,
  trained: Trained,
): Promise<void> {
  const saved = (await readTorchFile(join(dir, file))) as unknown as { optimizer: SavedOptimizer };
  const names = trainable.map((name) => weights.inMemory(name) ?? '');
  const decaying = (name: string) => decays('reference-substring', name, trained.trainable.get(name)?.rank ?? 0);
  const ordered = [...names.filter(decaying), ...names.filter((name) => !decaying(name))];
  const ids = saved.optimizer.param_groups.flatMap(({ params }) => params);
  checks.equal(`${file} optimizer parameters`, [ids.length], [ordered.length]);
  for (const [place, id] of ids.entries()) {
    const name = ordered[place] ?? '';
    const moments = saved.optimizer.state[String(id)];
    const ours = trained.state.get(name);
    if (moments === undefined || ours === undefined) throw new Error(`no moments of '${name}'`);
    const step = typeof moments.step === 'number' ? moments.step : (toFloat32(moments.step)[0] ?? -1);
    checks.equal(`${file} step ${name}`, [ours.step], [step]);
    checks.close(`${file} exp_avg ${name}`, await ours.expAvg.data(), toFloat32(moments.exp_avg), LIMITS.trained);
    checks.close(
      `${file} exp_avg_sq ${name}`,
      await ours.expAvgSq.data(),
      toFloat32(moments.exp_avg_sq),
      LIMITS.trained,
    );
  }
}
