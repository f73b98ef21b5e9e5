/** `tristage bench scale`: how the time of a step grows with the length of a row and with the rows of the mixture. */
import { availableParallelism } from 'node:os';
import type { EngineInfo, EngineName } from '../../../engine/engine.ts';
import { type Spread, spreadOf } from '../paired.ts';
import type { Peer } from '../peer.ts';
import { startWorker } from '../sides.ts';
import type { StepModel } from '../step/case.ts';
import { fitLine } from './fit.ts';

export interface ScaleOptions {
  engine: EngineName;
  /** How often each time is taken; default 5. */
  rounds?: number | undefined;
  threads?: number | undefined;
  /** Model of the lengths; default `mid`. */
  model?: StepModel | undefined;
  /** Tokens of a row; default 128 to 4,096. */
  lengths?: readonly number[] | undefined;
  /** Rows of the mixture; default 10^4 to 2 x 10^7. */
  rows?: readonly number[] | undefined;
  log?: ((line: string) => void) | undefined;
}

/** A step with one row of so many tokens. */
export interface LengthCase {
  name: string;
  tokens: number;
  seconds: Spread;
  /** Attention of all layers alone, forward and backward. */
  attentionSeconds: Spread;
  /** The rest, which should grow as the line. */
  restSeconds: number;
  lineSeconds: number;
  /** (rest - line) / rest. */
  residual: number;
}

/** Steps over a mixture of so many rows, on a small model. */
export interface RowsCase {
  name: string;
  rows: number;
  /** Finding, reading, encoding and packing the samples of a step. */
  dataSeconds: Spread;
  /** The update. */
  trainSeconds: Spread;
  /** (both - their mean over all sizes) / both. */
  residual: number;
}

export interface ScaleReport {
  engine: EngineName;
  library: string;
  threads: number;
  rounds: number;
  model: StepModel;
  /** The line through `restSeconds`: seconds of a step without tokens, and of each token. */
  lengthFit: { constantSeconds: number; secondsPerToken: number; largestResidual: number };
  /** The line through the times of whole steps against the decimal logarithm of the rows. */
  rowsFit: { constantSeconds: number; secondsPerDecade: number; largestResidual: number };
  cases: (LengthCase | RowsCase)[];
}

const LENGTHS = [128, 256, 512, 1024, 2048, 4096] as const;
const ROWS = [1e4, 1e5, 1e6, 1e7, 2e7] as const;
/** Steps of each mixture in a round. */
const STEPS = 8;

/**
 * Measures both; the sizes take turns within each round, so that a drifting machine hurts all alike.
 * @throws E_BENCH_PEER
 */
export async function benchScale(options: ScaleOptions): Promise<ScaleReport> {
  const { engine, rounds = 5, threads = availableParallelism(), model = 'mid', log } = options;
  const { lengths = LENGTHS, rows = ROWS } = options;
  log?.(`rows of ${lengths.join(', ')} tokens on ${model}`);
  const byLength = await withWorker({ engine, threads, model }, (peer) => measureLengths(peer, lengths, rounds));
  log?.(`mixtures of ${rows.join(', ')} rows`);
  const byRows = await withWorker({ engine, threads, model: 'tiny' }, (peer) => measureRows(peer, rows, rounds));
  return {
    engine,
    library: byLength.library,
    threads,
    rounds,
    model,
    lengthFit: byLength.found.fit,
    rowsFit: byRows.found.fit,
    cases: [...byLength.found.cases, ...byRows.found.cases],
  };
}

async function withWorker<T>(
  { engine, threads, model }: { engine: EngineName; threads: number; model: StepModel },
  use: (peer: Peer) => Promise<T>,
): Promise<{ library: string; found: T }> {
  const peer = startWorker({ name: 'scale', engine, args: [String(threads), model] });
  try {
    const { version } = await peer.ask<EngineInfo>({ do: 'describe' });
    return { library: version, found: await use(peer) };
  } finally {
    await peer.close();
  }
}

async function measureLengths(peer: Peer, lengths: readonly number[], rounds: number) {
  const times = lengths.map((tokens) => ({ tokens, seconds: [] as number[], attention: [] as number[] }));
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const own of times) {
      const found = await peer.ask<{ seconds: number; attention: number }>({ do: 'length', tokens: own.tokens });
      if (round === 0) continue;
      own.seconds.push(found.seconds);
      own.attention.push(found.attention);
    }
  }
  const points = times.map(({ tokens, seconds, attention }) => {
    return { x: tokens, y: spreadOf(seconds.map((one, i) => one - attention[i]!)).median };
  });
  const { constant, slope, residuals } = fitLine(points);
  const cases = times.map(
    ({ tokens, seconds, attention }, i): LengthCase => ({
      name: `length-${tokens}`,
      tokens,
      seconds: spreadOf(seconds),
      attentionSeconds: spreadOf(attention),
      restSeconds: points[i]!.y,
      lineSeconds: constant + slope * tokens,
      residual: residuals[i]!,
    }),
  );
  const fit = { constantSeconds: constant, secondsPerToken: slope, largestResidual: largest(residuals) };
  return { cases, fit };
}

async function measureRows(peer: Peer, sizes: readonly number[], rounds: number) {
  const times = sizes.map((rows) => ({ rows, data: [] as number[], train: [] as number[] }));
  for (let round = 0; round <= rounds; round++) {
    for (const own of times) {
      // Another place of the order in each round, beyond the first epoch of the small mixtures.
      const command = { do: 'rows', rows: own.rows, step: 1000 * (round + 1), count: STEPS };
      const found = await peer.ask<{ data: number[]; train: number[] }>(command);
      if (round === 0) continue;
      own.data.push(spreadOf(found.data).median);
      own.train.push(spreadOf(found.train).median);
    }
  }
  const whole = times.map(({ data, train }) => spreadOf(data).median + spreadOf(train).median);
  const mean = whole.reduce((sum, seconds) => sum + seconds, 0) / whole.length;
  const line = fitLine(whole.map((seconds, i) => ({ x: Math.log10(times[i]!.rows), y: seconds })));
  const cases = times.map(
    ({ rows, data, train }, i): RowsCase => ({
      name: `rows-${rows}`,
      rows,
      dataSeconds: spreadOf(data),
      trainSeconds: spreadOf(train),
      residual: (whole[i]! - mean) / whole[i]!,
    }),
  );
  const fit = {
    constantSeconds: line.constant,
    secondsPerDecade: line.slope,
    largestResidual: largest(line.residuals),
  };
  return { cases, fit };
}

function largest(residuals: readonly number[]): number {
  return Math.max(...residuals.map(Math.abs));
}

/** The report as lines for a terminal. */
export function renderScale({ threads, rounds, model, engine, library, ...report }: ScaleReport): string {
  const { lengthFit, rowsFit, cases } = report;
  const ms = (seconds: number): string => `${(seconds * 1000).toPrecision(4)} ms`;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const lines = [
    `${engine} ${library}, ${threads} threads, ${rounds} rounds`,
    `a step of ${model} with one row, less its attention = ${ms(lengthFit.constantSeconds)} + ${ms(lengthFit.secondsPerToken)} x tokens, residuals up to ${percent(lengthFit.largestResidual)}`,
  ];
  for (const one of cases.filter((each): each is LengthCase => 'tokens' in each)) {
    lines.push(
      `  ${String(one.tokens).padStart(5)} tokens  ${ms(one.seconds.median)}  attention ${ms(one.attentionSeconds.median)}  rest ${ms(one.restSeconds)}  residual ${percent(one.residual)}`,
    );
  }
  lines.push(
    `a step of 16 samples from a mixture = ${ms(rowsFit.constantSeconds)} + ${ms(rowsFit.secondsPerDecade)} x log10(rows), residuals up to ${percent(rowsFit.largestResidual)}`,
  );
  for (const one of cases.filter((each): each is RowsCase => 'rows' in each)) {
    lines.push(
      `  ${one.rows.toLocaleString('en-US').padStart(10)} rows  data ${ms(one.dataSeconds.median)}  update ${ms(one.trainSeconds.median)}  against the mean ${percent(one.residual)}`,
    );
  }
  return lines.join('\n');
}
