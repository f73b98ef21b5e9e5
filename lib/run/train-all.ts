/** `tristage train`: one run, or several after one another. */

import { join } from 'node:path';
import { configError } from '../config/errors.ts';
import type { Logger } from '../core/log.ts';
import { type Registry, type ResolvedRun, stageOf } from './config.ts';
import { openRuns } from './plugins.ts';
import type { Display } from './progress.ts';
import type { RunSummary } from './run-folder.ts';
import { type TrainRequest, trainRun } from './train.ts';
import { trainVision } from './train-vision.ts';

/** How runs are trained, whatever they are. */
export interface TrainSettings {
  /** Run folder of a single run; folder of the run folders of several. */
  out: string;
  resume: boolean;
  logger: Logger;
  display?: Display | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each step. */
  onStep?: TrainRequest['onStep'];
}

export interface TrainAllRequest extends TrainSettings {
  files: readonly string[];
  set: readonly string[];
  registry: Registry;
}

/** A run that was trained. */
export interface TrainedRun {
  /** Run folder. */
  folder: string;
  /** What summary.json says. */
  summary: RunSummary;
}

/**
 * Checks every file, then trains them in order.
 * @throws the first error; runs that finished before stay as they are
 */
export async function trainAll({ files, set, registry, ...settings }: TrainAllRequest): Promise<TrainedRun[]> {
  return trainRuns(await openRuns(files, { registry, set }), settings);
}

/**
 * Trains checked runs in order. With several, each run is in the folder of its name below `out`, and a bare name in `init.from`
 * means the run of that name there.
 * @throws the first error; runs that finished before stay as they are
 */
export async function trainRuns(runs: readonly ResolvedRun[], settings: TrainSettings): Promise<TrainedRun[]> {
  const { out, logger, signal, ...rest } = settings;
  const several = runs.length > 1;
  if (several) refuseEqualNames(runs);
  const trained: TrainedRun[] = [];
  for (const resolved of runs) {
    if (signal?.aborted === true) break;
    const folder = several ? join(out, resolved.config.name) : out;
    const run = several ? withinOut(resolved, out, runs) : resolved;
    const { registry } = run;
    if (several) logger.info(`run ${run.config.name}`);
    const train = stageOf(run.config, registry).objective === 'patches' ? trainVision : trainRun;
    const summary = await train({ ...rest, run, folder, registry, logger, signal });
    trained.push({ folder, summary });
    if (!summary.finished) break;
    // Opened late: what draws charts is not needed by whoever only checks a run file.
    const { refreshReport } = await import('./report/index.ts');
    await refreshReport(folder, { registry, logger });
  }
  return trained;
}

function refuseEqualNames(runs: readonly ResolvedRun[]): void {
  const names = new Map<string, string>();
  for (const { file, config } of runs) {
    const other = names.get(config.name);
    if (other !== undefined) {
      throw configError({
        code: 'E_CONFIG_NAME',
        message: 'two runs of one call have the same name',
        where: file,
        found: `${config.name}, also in ${other}`,
        expected: 'a name of its own for each run',
      });
    }
    names.set(config.name, file);
  }
}

/** `init: { from: stage1 }` means the run of that name in the same output folder. */
function withinOut(resolved: ResolvedRun, out: string, runs: readonly ResolvedRun[]): ResolvedRun {
  const { config } = resolved;
  const named = runs.some((run) => run.config.name === config.init?.from);
  if (config.init === undefined || !named) return resolved;
  return { ...resolved, config: { ...config, init: { from: join(out, config.init.from) } } };
}
