/** Paired measurement: both sides in turn (A B A B ...), so that a drifting machine hurts both alike. */

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** The median and the range of some numbers. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

export interface PairedResult {
  /** Seconds of one run. */
  ours: Spread;
  theirs: Spread;
  /** Theirs divided by ours, round by round: above 1, we are faster. */
  ratio: Spread;
}

export interface PairedRequest {
  rounds: number;
  /** Seconds of each run of a round. */
  ours: () => Promise<readonly number[]>;
  theirs: () => Promise<readonly number[]>;
}

/** Runs both sides `rounds` times in turn; each round counts by the median of its runs. */
export async function measurePaired({ rounds, ours, theirs }: PairedRequest): Promise<PairedResult> {
  const a: number[] = [];
  const b: number[] = [];
  for (let round = 0; round < rounds; round++) {
    a.push(spreadOf(await ours()).median);
    b.push(spreadOf(await theirs()).median);
  }
  return { ours: spreadOf(a), theirs: spreadOf(b), ratio: spreadOf(b.map((seconds, i) => seconds / a[i]!)) };
}
