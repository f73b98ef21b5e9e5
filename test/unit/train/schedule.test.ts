import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { learningRate, type Schedule } from '../../../lib/train/schedule.ts';

const rates = (schedule: Schedule, steps: number): number[] =>
  Array.from({ length: steps }, (_, step) => learningRate(schedule, step));

describe('learning rates', () => {
  const cosine = { name: 'linear-warmup-cosine', lr: 1, minLr: 0.1, warmupSteps: 5, warmupLr: 0, steps: 12 } as const;

  it('rise over all warm-up steps, across what the original would call an epoch', () => {
    const found = rates(cosine, 5);
    for (const [step, rate] of found.entries()) assert.ok(Math.abs(rate - step / 5) < 1e-12, `${rate}`);
  });

  it('start the rise over in each epoch only when that compatibility is asked for', () => {
    const found = rates({ ...cosine, warmupPerEpoch: 4 }, 6);
    const want = [0, 0.2, 0.4, 0.6, 0];
    for (const [step, rate] of want.entries()) assert.ok(Math.abs(found[step]! - rate) < 1e-12, `${step}`);
    assert.equal(found[5], learningRate(cosine, 5));
  });

  it('fall along a half cosine that counts from step 0', () => {
    assert.ok(Math.abs(learningRate({ ...cosine, warmupSteps: 0 }, 6) - 0.55) < 1e-12);
    assert.ok(Math.abs(learningRate(cosine, 12) - 0.1) < 1e-12);
    const late = rates(cosine, 12).slice(5);
    for (let i = 1; i < late.length; i++) assert.ok(late[i]! < late[i - 1]!);
  });

  it('stay at the peak through the warm-up when no lower rate is given', () => {
    const { warmupLr: _, ...flat } = cosine;
    assert.deepEqual(rates(flat, 5), [1, 1, 1, 1, 1]);
  });

  it('do not rise above the peak when the first epoch is longer than the warm-up', () => {
    const schedule = {
      name: 'linear-warmup-step',
      lr: 1,
      minLr: 0.2,
      warmupSteps: 2,
      warmupLr: 0,
      stepsPerEpoch: 4,
      decayRate: 0.5,
    } as const;
    assert.deepEqual(rates(schedule, 13), [0, 0.5, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2]);
  });

  it('can be constant', () => {
    assert.deepEqual(rates({ name: 'constant', lr: 3e-4 }, 2), [3e-4, 3e-4]);
  });
});
