/** The same mathematics or no comparison: losses of both sides of `tristage bench step` against each other. */
import { TristageError } from '../../../core/errors.ts';
import type { Peer } from '../peer.ts';

/** What a side answers to `steps`. */
export interface Steps {
  seconds: number[];
  /** User and system time of each on average. */
  cpu: number;
  losses: number[];
  /** Mean loss of each sample at the last of them. */
  rows: number[];
}

/** Largest relative difference that is still the same mathematics in float32. */
const LARGEST = 1e-4;

function largestDifference(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Number.NaN;
  return Math.max(...ours.map((loss, i) => Math.abs(loss - theirs[i]!) / Math.abs(theirs[i]!)));
}

function check(where: string, difference: number): number {
  if (difference <= LARGEST) return difference;
  throw new TristageError({
    kind: 'failure',
    code: 'E_BENCH_LOSS',
    message: 'the two sides of the benchmark do not compute the same losses, so their times cannot be compared',
    where,
    found: `a relative difference of ${difference.toExponential(1)}`,
    expected: `at most ${LARGEST.toExponential(0)}`,
  });
}

/**
 * Two updates on both sides: the mean losses, the second of which depends on the gradients of the first; and the loss of each sample
 * at the first.
 * @throws TristageError E_BENCH_LOSS when one differs by more than 1e-4
 */
export async function lossDifference(
  ours: Peer,
  theirs: Peer,
  name: string,
): Promise<{ lossDifference: number; sampleLossDifference: number }> {
  const { rows } = await theirs.ask<Pick<Steps, 'rows'>>({ do: 'rows' });
  const losses: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  let first: Steps | undefined;
  for (let update = 0; update < 2; update++) {
    const own = await ours.ask<Steps>({ do: 'steps', count: 1 });
    first ??= own;
    losses.ours.push(...own.losses);
    losses.theirs.push(...(await theirs.ask<Steps>({ do: 'steps', count: 1 })).losses);
  }
  return {
    lossDifference: check(`${name}, mean losses of two updates`, largestDifference(losses.ours, losses.theirs)),
    sampleLossDifference: check(`${name}, losses of single samples`, largestDifference(first?.rows ?? [], rows)),
  };
}
