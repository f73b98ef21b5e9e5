/**
 * `tristage bench step`: whole training steps of a model against the same model in plain PyTorch, which always computes as the
 * reference recipe does; ours does so too (`-a`), or packs the same samples as the trainer does (`-b`), with the tower's features known
 * (`-b-cached`).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { TristageError } from '../../../core/errors.ts';
import type { EngineInfo, EngineName } from '../../../engine/engine.ts';
import { tokensPerImage } from '../../../model/config.ts';
import type { Registry } from '../../config.ts';
import { measurePaired, type Spread, spreadOf } from '../paired.ts';
import type { Peer } from '../peer.ts';
import { findPythonTorch, startPython, startWorker } from '../sides.ts';
import {
  STEP_MODELS,
  STEP_MODES,
  type StepCase,
  type StepMode,
  type StepModel,
  stepModel,
  writeStepCase,
} from './case.ts';
import { type StepWork, stepFlops } from './flops.ts';
import { lossDifference, type Steps } from './losses.ts';
import { mixtureSamples } from './samples.ts';

export interface StepBenchOptions {
  /** The project's own sources, which the samples come from. */
  registry: Registry;
  engine: EngineName;
  /** Rounds of the paired measurement; default 5. */
  rounds?: number | undefined;
  /** Threads of both sides; default: the processors this process may use. */
  threads?: number | undefined;
  /** Cases whose name contains this. Default: those of `mid` and `smol`. */
  filter?: string | undefined;
  /** Which libtorch, as TRISTAGE_TORCH_SOURCE names it; the other side is a Python with the same version. */
  torch?: string | undefined;
  /** Images of a step; default 4. */
  images?: number | undefined;
  /** Questions about each image; default 4. */
  questions?: number | undefined;
  log?: ((line: string) => void) | undefined;
}

/** What one side did. */
export interface StepSide {
  seconds: Spread;
  /** User and system time of a step on all threads, which other programs on the machine disturb less. */
  cpuSeconds: Spread;
  samplesPerSecond: number;
  supervisedTokensPerSecond: number;
  /** Largest resident memory of its process, loading included. */
  peakBytes: number;
  /** Floating-point operations of its step. */
  flops: number;
  /** Share of the machine's largest-product speed that they reach. */
  peakShare: number;
  threads: number;
}

export interface StepBenchCase {
  name: string;
  engine: EngineName;
  /** Version of the library that our engine computes with. */
  library: string;
  /** Version of the PyTorch beside it. */
  torch: string;
  /** `ratio` is our samples a second divided by theirs: above 1, we are faster. */
  speed: { ratio: number; spread: Spread };
  /** The same of user and system time. */
  cpu: { ratio: number };
  /** `ratio` is ours divided by theirs: below 1, we need less. */
  memory: { ratio: number };
  ours: StepSide;
  theirs: StepSide;
  /** Largest relative differences of both sides: of the losses of the first two updates, and of the samples' losses before them. */
  lossDifference: number;
  sampleLossDifference: number;
  work: { samples: number; images: number; supervisedTokens: number; oursTokens: number; theirsTokens: number };
}

export interface StepBenchReport {
  threads: number;
  rounds: number;
  /** Fastest large matrix product of either side in this run, in operations a second. */
  peakFlops: number;
  cases: StepBenchCase[];
}

/** A case by its name without prefix. */
interface Named {
  name: string;
  model: StepModel;
  mode: StepMode;
}

const CASES: readonly Named[] = STEP_MODELS.flatMap((model) =>
  STEP_MODES.map((mode) => ({ name: `${model}-${mode}`, model, mode })),
);

/** The cases that a filter names; `tiny` only where it says so. */
export function stepCases(filter = ''): readonly Named[] {
  const found = CASES.filter(
    ({ name, model }) => name.includes(filter) && (model !== 'tiny' || filter.includes('tiny')),
  );
  if (found.length > 0) return found;
  throw new TristageError({
    kind: 'usage',
    code: 'E_BENCH_FILTER',
    message: 'no case of the benchmark has such a name',
    where: '--filter',
    found: filter,
    expected: `part of one of ${CASES.map(({ name }) => name).join(', ')}`,
  });
}

/**
 * The cases one after the other. Before any timing, losses of both sides are held against each other.
 * @throws TristageError E_BENCH_LOSS when they differ, E_BENCH_FILTER, E_BENCH_PYTHON, E_BENCH_SCRIPT, E_BENCH_PEER
 */
export async function benchStep(options: StepBenchOptions): Promise<StepBenchReport> {
  const { rounds = 5, threads = availableParallelism() } = options;
  const cases = stepCases(options.filter);
  const report: StepBenchReport = { threads, rounds, peakFlops: 0, cases: [] };
  for (const model of STEP_MODELS) {
    const own = cases.filter((one) => one.model === model);
    if (own.length > 0) await benchModel({ ...options, rounds, threads }, own, report);
  }
  for (const { ours, theirs } of report.cases) {
    for (const side of [ours, theirs]) side.peakShare = side.flops / side.seconds.median / report.peakFlops;
  }
  return report;
}

type Resolved = StepBenchOptions & { rounds: number; threads: number };

/** The cases of one model, whose weights and samples are written once. */
async function benchModel(options: Resolved, cases: readonly Named[], report: StepBenchReport): Promise<void> {
  const { registry, images = 4, questions = 4, threads, log } = options;
  const name = cases[0]!.model;
  const model = stepModel(name);
  const folder = await mkdtemp(join(tmpdir(), 'tristage-bench-'));
  try {
    log?.(`writing weights and samples of ${name}`);
    const examples = await mixtureSamples({ registry, images, questions, imageTokens: tokensPerImage(model) });
    const { stepCase, weights } = await writeStepCase({ name, model, examples, threads }, folder);
    const description = join(folder, 'case.json');
    await writeFile(description, JSON.stringify(stepCase));
    for (const one of cases) {
      const found = await benchCase(one, { ...options, stepCase, paths: [description, weights] }, report);
      report.cases.push(found);
      log?.(
        `${found.name}: speed ratio ${found.speed.ratio.toFixed(2)}, memory ratio ${found.memory.ratio.toFixed(2)}`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type CaseRequest = Resolved & { stepCase: StepCase; paths: [description: string, weights: string] };

/** Starts both sides, measures, and ends both whatever happens. */
async function benchCase({ name, mode }: Named, request: CaseRequest, report: StepBenchReport): Promise<StepBenchCase> {
  const { engine, paths, torch, stepCase } = request;
  const started = [startWorker({ name: 'step', engine, args: [...paths, mode], torch })];
  try {
    const [ours] = started as [Peer];
    const { version: library } = await ours.ask<EngineInfo>({ do: 'describe' });
    const { python } = await findPythonTorch(engine === 'torch' ? library : undefined);
    const theirs = startPython(python, 'step.py', paths);
    started.push(theirs);
    const described = await theirs.ask<{ torch: string }>({ do: 'describe' });
    const measured = await measure({ ours, theirs }, { ...request, name }, report);
    const prefix = `${torch === 'pip' ? 'pip-' : ''}${engine === 'torch' ? '' : `${engine}-`}`;
    const supervisedTokens = measured.work.supervised;
    return {
      name: `${prefix}${name}`,
      engine,
      library,
      torch: described.torch,
      speed: measured.speed,
      cpu: { ratio: measured.theirs.cpuSeconds.median / measured.ours.cpuSeconds.median },
      memory: { ratio: measured.ours.peakBytes / measured.theirs.peakBytes },
      ours: measured.ours,
      theirs: measured.theirs,
      ...measured.differences,
      work: {
        samples: stepCase.rows.length,
        images: stepCase.images,
        supervisedTokens,
        oursTokens: measured.work.tokens,
        theirsTokens: paddedWork(stepCase).tokens,
      },
    };
  } finally {
    await Promise.all(started.map((peer) => peer.close()));
  }
}

/** What the other side does: every question a row, padded to the longest. */
function paddedWork({ rows }: StepCase): StepWork {
  const longest = Math.max(...rows.map(({ length }) => length));
  const tokens = rows.length * longest;
  return {
    images: rows.length,
    projected: rows.length,
    tokens,
    pairs: (tokens * (longest + 1)) / 2,
    logits: tokens,
  };
}

async function measure(
  { ours, theirs }: { ours: Peer; theirs: Peer },
  { name, stepCase, rounds, log }: CaseRequest & { name: string },
  report: StepBenchReport,
) {
  const differences = await lossDifference(ours, theirs, name);
  log?.(
    `${name}: losses of both sides differ by ${differences.lossDifference.toExponential(1)}, of single samples by ${differences.sampleLossDifference.toExponential(1)} (relative)`,
  );
  const peak = async () => {
    for (const peer of [ours, theirs]) {
      report.peakFlops = Math.max(report.peakFlops, (await peer.ask<{ flops: number }>({ do: 'matmul' })).flops);
    }
  };
  const bytes = async (peer: Peer) => (await peer.ask<{ bytes: number }>({ do: 'peak' })).bytes;
  const cpu: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  const run = (peer: Peer, times: number[]) => async () => {
    const steps = await peer.ask<Steps>({ do: 'steps', count: 1 });
    times.push(steps.cpu);
    return steps.seconds;
  };
  await peak();
  const result = await measurePaired({ rounds, ours: run(ours, cpu.ours), theirs: run(theirs, cpu.theirs) });
  const peaks = { ours: await bytes(ours), theirs: await bytes(theirs) };
  await peak();
  const work = await ours.ask<StepWork & { supervised: number }>({ do: 'work' });
  const side = async (peer: Peer, which: 'ours' | 'theirs', own: StepWork): Promise<StepSide> => {
    const seconds = result[which];
    return {
      seconds,
      cpuSeconds: spreadOf(cpu[which]),
      samplesPerSecond: stepCase.rows.length / seconds.median,
      supervisedTokensPerSecond: work.supervised / seconds.median,
      peakBytes: peaks[which],
      flops: stepFlops(stepCase.model, own),
      peakShare: Number.NaN,
      threads: (await peer.ask<{ threads: number }>({ do: 'describe' })).threads,
    };
  };
  return {
    differences,
    work,
    speed: { ratio: result.ratio.median, spread: result.ratio },
    ours: await side(ours, 'ours', work),
    theirs: await side(theirs, 'theirs', paddedWork(stepCase)),
  };
}
