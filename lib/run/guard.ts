/** What a run does about steps that are not finite: it leaves a few out, keeps their batches, and stops when there are more. */

import { join } from 'node:path';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import type { SkippedUpdate } from '../train/loop.ts';
import { type DumpFacts, writeDump } from './dump.ts';
import type { Fault } from './update.ts';

export interface GuardRequest {
  /** Run folder. */
  folder: string;
  config: RunConfig;
  /** Steps that the earlier parts of the run left out. */
  skipped: number;
  /** The newest checkpoint, and the updates since it that changed the weights. */
  weights: () => Pick<DumpFacts, 'checkpoint' | 'updatesSince'>;
  warn: (message: string) => void;
}

/**
 * The guard of a run: dumps the batch of each fault and counts.
 * @returns a function that throws E_NOT_FINITE once the budget is used up
 */
export function openGuard({ folder, config, skipped, weights, warn }: GuardRequest) {
  const { onNonFinite, seed } = config.train;
  let count = skipped;
  return async ({ index, fault, parts }: Fault): Promise<SkippedUpdate> => {
    const step = index + 1;
    const dump = await writeDump(folder, { step, fault, seed, ...weights() }, parts);
    count++;
    if (count > onNonFinite.skip) throw notFinite({ step, fault, dump: join(folder, dump), budget: onNonFinite.skip });
    warn(
      `step ${step} is left out: its ${fault} is not finite (${count} of ${onNonFinite.skip}); tristage replay ${join(folder, dump)}`,
    );
    return { fault, dump };
  };
}

function notFinite(at: { step: number; fault: 'loss' | 'gradient'; dump: string; budget: number }): TristageError {
  return new TristageError({
    kind: 'numeric',
    code: 'E_NOT_FINITE',
    message: `the ${at.fault} of a step is not finite`,
    where: `step ${at.step}, whose batch is in ${at.dump}`,
    found: 'NaN or infinity',
    expected: `a finite number in all but ${at.budget} steps (train.onNonFinite.skip)`,
    fix: `look at it with tristage replay ${at.dump}; then start another run from this one (init.from) with a lower train.optimizer.lr, a train.clip or a longer warm-up, or --resume with a larger budget`,
  });
}
