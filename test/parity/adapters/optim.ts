/** AdamW steps and learning-rate tables against the reference's own. */
import { basename, join } from 'node:path';
import { tf, type Variable } from '../../../lib/engine/tf.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { type AdamW, createAdamW, decays } from '../../../lib/train/adamw.ts';
import { learningRate, type Schedule } from '../../../lib/train/schedule.ts';
import { type Recorded, type Report, readJson, readTensors, recorded, report } from '../fixture.ts';
import type { ParityResult } from '../result.ts';

/** Absolute limit of parameters after each step (golden/README.md). */
const STEP_LIMIT = 1e-6;
/** Relative limit of the final moments, which are too small for an absolute one: 12 steps of float32 rounding. */
const MOMENT_LIMIT = 3e-6;
/** Rates are computed in float64 on both sides. */
const RATE_LIMIT = 1e-12;

interface RateTable {
  class: string;
  max_epoch: number;
  iters_per_epoch: number;
  init_lr: number;
  min_lr: number;
  warmup_start_lr?: number;
  warmup_steps: number;
  decay_rate?: number;
  lrs: number[];
}

interface OptimFixture {
  hyper: { weight_decay: number; beta1: number; beta2: number; eps: number };
  order: string[];
  groups: { weight_decay: number; params: string[] }[];
  lr_per_step: number[];
  schedules: RateTable[];
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const fixture = await readJson<OptimFixture>(dir, 'config.json');
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const weights = await readTensors(join(dir, 'weights.safetensors'));
  const checks = report(basename(dir));
  const parameters = new Map<string, Variable>();
  for (const name of fixture.order) {
    const tensor = weights.get(name);
    if (tensor === undefined) throw new Error(`the fixture has no weight '${name}'`);
    parameters.set(
      name,
      tf.tidy(() => tf.variable(tf.tensor(toFloat32(tensor), tensor.shape))),
    );
  }
  const { beta1, beta2, eps, weight_decay } = fixture.hyper;
  const options = { betas: [beta1, beta2], eps, weightDecay: weight_decay, decayRule: 'reference-substring' } as const;
  const optimizer = createAdamW(parameters, options);
  compareGroups({ checks, fixture, parameters });
  await compareSteps({ checks, io, fixture, parameters, optimizer });
  optimizer.dispose();
  tf.dispose([...parameters.values()]);
  for (const [i, table] of fixture.schedules.entries()) compareRates({ checks, name: `schedules.${i}`, table });
  return checks.results;
}

type Parameters = ReadonlyMap<string, Variable>;

function compareGroups(request: { checks: Report; fixture: OptimFixture; parameters: Parameters }): void {
  const { checks, fixture, parameters } = request;
  const expected = fixture.groups.flatMap(({ weight_decay, params }) => params.map((name) => [name, weight_decay > 0]));
  const found = expected.map(([name]) => {
    const rank = parameters.get(String(name))?.rank ?? 0;
    return [name, decays('reference-substring', String(name), rank)];
  });
  checks.equal('groups', found.flat(), expected.flat());
}

async function compareSteps(request: {
  checks: Report;
  io: Recorded;
  fixture: OptimFixture;
  parameters: Parameters;
  optimizer: AdamW;
}): Promise<void> {
  const { checks, io, fixture, parameters, optimizer } = request;
  for (const [step, lr] of fixture.lr_per_step.entries()) {
    const prefix = `step${String(step).padStart(2, '0')}`;
    const gradients = new Map(
      fixture.order.map((name) => {
        const key = `${prefix}.grad.${name}`;
        return [name, io.has(key) ? io.tensor(key) : null];
      }),
    );
    optimizer.update({ gradients, lr });
    for (const gradient of gradients.values()) gradient?.dispose();
    for (const [name, parameter] of parameters) {
      const key = `${prefix}.param.${name}`;
      checks.near(key, await parameter.data(), io.floats(key), STEP_LIMIT);
    }
  }
  for (const [name, { step, expAvg, expAvgSq }] of optimizer.state) {
    checks.close(`final.exp_avg.${name}`, await expAvg.data(), io.floats(`final.exp_avg.${name}`), MOMENT_LIMIT);
    checks.close(
      `final.exp_avg_sq.${name}`,
      await expAvgSq.data(),
      io.floats(`final.exp_avg_sq.${name}`),
      MOMENT_LIMIT,
    );
    checks.equal(`final.steps.${name}`, [step], io.floats(`final.steps.${name}`));
  }
}

/** The schedule of a recorded table, in our words. */
function scheduleOf(table: RateTable): Schedule {
  const common = {
    lr: table.init_lr,
    minLr: table.min_lr,
    warmupSteps: table.warmup_steps,
    ...(table.warmup_start_lr === undefined || table.warmup_start_lr < 0 ? {} : { warmupLr: table.warmup_start_lr }),
  };
  const stepsPerEpoch = table.iters_per_epoch;
  if (table.class === 'LinearWarmupCosineLRScheduler') {
    const steps = table.max_epoch * stepsPerEpoch;
    return { name: 'linear-warmup-cosine', ...common, steps, warmupPerEpoch: stepsPerEpoch };
  }
  if (table.class !== 'LinearWarmupStepLRScheduler') throw new Error(`unknown schedule '${table.class}'`);
  return { name: 'linear-warmup-step', ...common, stepsPerEpoch, decayRate: table.decay_rate ?? 1 };
}

function compareRates({ checks, name, table }: { checks: Report; name: string; table: RateTable }): void {
  const schedule = scheduleOf(table);
  checks.near(
    name,
    table.lrs.map((_, step) => learningRate(schedule, step)),
    table.lrs,
    RATE_LIMIT,
  );
}
