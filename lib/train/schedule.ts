/** Learning rates as pure functions of the step. */

interface Warmup {
  /** Peak rate. */
  lr: number;
  /** Lower end of the decay. */
  minLr: number;
  /** Steps of linear rise. */
  warmupSteps: number;
  /** Rate of step 0 when there is a warm-up. Default: the peak rate, that is no rise. */
  warmupLr?: number;
}

/** Linear warm-up, then a half cosine that counts from step 0 and reaches `minLr` at `steps` (upstream: common/optims.py). */
export interface LinearWarmupCosine extends Warmup {
  name: 'linear-warmup-cosine';
  /** Steps in all. */
  steps: number;
  /**
   * Compatibility with the original: the rise counts steps inside an epoch of this many steps, so that a warm-up longer than an
   * epoch starts over with each. Absent: it counts all steps.
   */
  warmupPerEpoch?: number;
}

/** Linear warm-up inside the first epoch, then `lr` x `decayRate` to the power of the epoch (upstream: common/optims.py). */
export interface LinearWarmupStep extends Warmup {
  name: 'linear-warmup-step';
  stepsPerEpoch: number;
  decayRate: number;
}

export interface Constant {
  name: 'constant';
  lr: number;
}

export type Schedule = LinearWarmupCosine | LinearWarmupStep | Constant;

/**
 * The learning rate of one update.
 * @param step updates already done: 0 for the first
 */
export function learningRate(schedule: Schedule, step: number): number {
  switch (schedule.name) {
    case 'constant':
      return schedule.lr;
    case 'linear-warmup-cosine':
      return cosine(schedule, step);
    case 'linear-warmup-step': {
      const epoch = Math.floor(step / schedule.stepsPerEpoch);
      if (epoch === 0) return rise(schedule, step);
      return Math.max(schedule.minLr, schedule.lr * schedule.decayRate ** epoch);
    }
  }
}

function cosine(schedule: LinearWarmupCosine, step: number): number {
  const { lr, minLr, steps, warmupSteps, warmupPerEpoch } = schedule;
  if (step < warmupSteps) return rise(schedule, warmupPerEpoch === undefined ? step : step % warmupPerEpoch);
  return minLr + 0.5 * (lr - minLr) * (1 + Math.cos((Math.PI * step) / steps));
}

function rise({ lr, warmupSteps, warmupLr = lr }: Warmup, position: number): number {
  return Math.min(lr, warmupLr + ((lr - warmupLr) * position) / Math.max(warmupSteps, 1));
}
