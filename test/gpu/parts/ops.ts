/** Seconds of each op, forward and backward, on the device. */
import { readFile } from 'node:fs/promises';
import { vectorJacobianProduct } from '../../../lib/engine/autograd/index.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import type { OpCase } from '../../../lib/run/bench/op-cases.ts';
import { OPS } from '../../../lib/run/bench/op-runs.ts';
import { emit, reasonOf } from '../record.ts';

/** What both sides measure. */
export interface OpsPlan {
  cases: readonly OpCase[];
  /** Runs before the clock starts, and under it. */
  warmup: number;
  count: number;
}

/** Waits until everything that was queued on the device is done: a value of the last result is read. */
function settle(tensor: Tensor): void {
  tf.tidy(() => tf.slice(tf.reshape(tensor, [-1]), [0], [1]).dataSync());
}

function secondsPerRun({ op, shape }: OpCase, { warmup, count }: OpsPlan): number {
  return tf.tidy(() => {
    const { run, leaves } = OPS[op]!(shape);
    const dy = tf.onesLike(run());
    const once = () => {
      if (leaves.length === 0) return run();
      return vectorJacobianProduct(() => [run()], leaves, dy).grads[0]!;
    };
    const repeat = (times: number) => {
      for (let i = 1; i < times; i++) tf.tidy(() => void once());
      tf.tidy(() => settle(once()));
    };
    repeat(warmup);
    const start = performance.now();
    repeat(count);
    return (performance.now() - start) / 1000 / count;
  });
}

/** Times every op of a plan. */
export async function ops(planPath: string): Promise<void> {
  const plan = JSON.parse(await readFile(planPath, 'utf8')) as OpsPlan;
  for (const opCase of plan.cases) {
    try {
      emit({ name: opCase.name, ok: true, seconds: secondsPerRun(opCase, plan) });
    } catch (error) {
      emit({ name: opCase.name, ok: false, detail: reasonOf(error) });
    }
  }
}
