/** The original's training loop: losses, learning rates and final weights, with and without accumulation. */
import type { Tensor, Variable } from '../../../lib/engine/tf.ts';
import { disposeMiniGpt, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { type AdamW, createAdamW, decays } from '../../../lib/train/adamw.ts';
import { addGradients, backward, disposeGradients } from '../../../lib/train/backward.ts';
import { learningRate, type Schedule } from '../../../lib/train/schedule.ts';
import { applyGradients, referenceUpdates } from '../../../lib/train/step.ts';
import { LIMITS } from '../fixture.ts';
import { compareCheckpoint, SAVED_AFTER } from './checkpoint.ts';
import { encodeBatch, type RecordedTraining, type StepFixture } from './step-fixture.ts';

/** Rates are computed in float64 on both sides. */
const RATE_LIMIT = 1e-12;

export async function compareTraining(fixture: StepFixture): Promise<void> {
  for (const [key, training] of Object.entries(fixture.file.train)) await compareOne(fixture, key, training);
}

async function compareOne(fixture: StepFixture, key: string, training: RecordedTraining): Promise<void> {
  const { checks, io, weights } = fixture;
  const model = fixture.createModel();
  const trainable = trainableOf(model.store);
  const optimizer = createAdamW(trainable, {
    betas: training.betas,
    eps: training.eps,
    weightDecay: training.weight_decay,
    decayRule: 'reference-substring',
    zeroMissingGradients: !training.zero_grad_set_to_none,
  });
  const free = [...trainable].filter(([name, { rank }]) => !decays('reference-substring', name, rank));
  checks.equal(
    `train_${key}.no_weight_decay`,
    free.map(([name]) => name).sort(),
    training.no_weight_decay.map((name) => weights.inMemory(name)).sort(),
  );
  const { losses, rates } = await train(fixture, { training, model, trainable, optimizer });
  checks.near(`train_${key}.lrs`, rates, training.lrs, RATE_LIMIT);
  checks.near(`train_${key}.losses`, losses, training.losses, LIMITS.trainingLoss);
  const final = `train_${key}.final.`;
  for (const name of weights.published.filter((each) => io.has(final + each))) {
    const values = trainable.get(weights.inMemory(name) ?? '')?.dataSync() ?? [];
    checks.close(final + name, values, io.floats(final + name), LIMITS.trained);
  }
  if (key === SAVED_AFTER) await compareCheckpoint(fixture, { trainable, state: optimizer.state });
  optimizer.dispose();
  disposeMiniGpt(model);
}

async function train(
  fixture: StepFixture,
  request: { training: RecordedTraining; model: MiniGpt; trainable: Map<string, Variable>; optimizer: AdamW },
): Promise<{ losses: number[]; rates: number[] }> {
  const { training, model, trainable, optimizer } = request;
  const schedule: Schedule = {
    name: 'linear-warmup-cosine',
    lr: training.init_lr,
    minLr: training.min_lr,
    warmupLr: training.warmup_lr,
    warmupSteps: training.warmup_steps,
    steps: training.max_epoch * training.iters_per_epoch,
    warmupPerEpoch: training.iters_per_epoch,
  };
  const losses: number[] = [];
  const rates: number[] = [];
  const gradients = new Map<string, Tensor | null>([...trainable.keys()].map((name) => [name, null]));
  for (const [step, name] of training.batch_order.entries()) {
    const batch = fixture.file.batches.find((each) => each.name === name);
    if (batch === undefined) throw new Error(`the fixture has no batch '${name}'`);
    const lr = learningRate(schedule, step);
    rates.push(lr);
    // Without a token count each micro-batch is divided by its own tokens only: the reference's accumulation.
    const { value, gradients: own } = await backward({ model, trainable, batch: encodeBatch(fixture, batch) });
    losses.push(value);
    addGradients(gradients, own);
    if (!referenceUpdates(step, training.accum_grad_iters, training.iters_per_epoch)) continue;
    await applyGradients({ optimizer, gradients, lr });
    disposeGradients(gradients);
    for (const each of gradients.keys()) gradients.set(each, null);
  }
  disposeGradients(gradients);
  return { losses, rates };
}
