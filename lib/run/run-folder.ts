/** The folder of a run: what lies where, and who may write into it. */

import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isTemporaryName, writeFileAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import type { FeatureCounts } from '../core/feature-counts.ts';
import type { MixtureShare } from './shares.ts';

/** Names within a run folder. */
export const RUN_FILES = {
  config: 'config.resolved.yaml',
  run: 'run.json',
  events: 'events.jsonl',
  summary: 'summary.json',
  /** Kept pieces of the tokenizer, where the vocabulary is pruned. */
  vocabulary: 'vocabulary.json',
  /** What each file of weights was found to hold, where the run began from files. */
  weights: 'weights.json',
  tensorboard: 'tensorboard',
  /** Samples that could not be used and what replaced them. */
  ledger: 'bad-samples.jsonl',
  /** What was exported from the run, and where it lies. */
  exports: 'exports.jsonl',
  checkpoints: 'checkpoints',
  /** The page about the run and those that it started from. */
  report: 'report.html',
} as const;

/** The checkpoint whose answers were best during training. */
export interface BestCheckpoint {
  step: number;
  metric: string;
  value: number;
  /** Relative to the run folder. */
  checkpoint: string;
}

/** What summary.json says. */
export interface RunSummary {
  name: string;
  stage: string;
  finished: boolean;
  step: number;
  steps: number;
  /** Seconds of training in this process and the ones before it. */
  seconds: number;
  samplesPerSecond: number;
  /** Share of the seconds in which steps waited for their batch. */
  dataWait: number;
  lossFirst: number | null;
  lossLast: number | null;
  /** Updates that were left out, since they were not finite. */
  skipped: number;
  /** What `data.featureCache` did, in all parts of the run and its evaluations; absent where it is not set. */
  featureCache?: FeatureCounts;
  /** Where `train.checkpoint.best` is set. */
  best?: BestCheckpoint;
  /** Planned and realised shares of the lines of the mixture; absent where there is none. */
  mixture?: readonly MixtureShare[] | undefined;
  engine: string;
  device: string;
}

/** Names in a folder; none when it does not exist. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !isTemporaryName(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new TristageError({
      kind: 'usage',
      code: 'E_OUT',
      message: 'the run folder cannot be used',
      where: folder,
      found: (error as NodeJS.ErrnoException).code ?? String(error),
      expected: 'a folder, or a name that is free',
      fix: 'choose another --out',
      cause: error,
    });
  }
}

/**
 * Looks whether a run may use a folder; changes nothing.
 * @returns whether a run is there already
 * @throws TristageError E_OUT_EXISTS for a folder with content when the run shall not resume, E_OUT_FOREIGN for content that is no run
 */
export function inspectRunFolder(folder: string, resume: boolean): boolean {
  const names = namesIn(folder);
  if (names.length > 0 && !resume) throw existsError(folder, names);
  const there = names.includes(RUN_FILES.config);
  // A run that was killed before its first file was whole leaves only the empty folder of checkpoints.
  if (!there && names.some((name) => name !== RUN_FILES.checkpoints)) throw foreignError(folder, names);
  return there;
}

/** Makes the run folder. */
export async function createRunFolder(folder: string): Promise<void> {
  await mkdir(join(folder, RUN_FILES.checkpoints), { recursive: true });
}

function listed(names: readonly string[]): string {
  return names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
}

function existsError(folder: string, names: readonly string[]): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_OUT_EXISTS',
    message: 'the run folder is not empty',
    where: folder,
    found: listed(names),
    expected: 'a new or empty folder',
    fix: 'choose another --out, or add --resume to go on with the run that is there',
  });
}

function foreignError(folder: string, names: readonly string[]): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_OUT_FOREIGN',
    message: 'the folder holds something else than a run',
    where: folder,
    found: listed(names),
    expected: `a run folder with ${RUN_FILES.config}`,
    fix: 'choose another --out',
  });
}

/** The summary of a run, or `undefined` where none was written yet. */
export function readSummary(folder: string): RunSummary | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, RUN_FILES.summary), 'utf8');
  } catch {
    return undefined;
  }
  return JSON.parse(text) as RunSummary;
}

/** Writes a JSON file of the run folder. */
export async function writeRunJson(folder: string, name: string, value: unknown): Promise<void> {
  await writeFileAtomic(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}
