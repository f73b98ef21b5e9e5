/** `tristage train`: one run, or several after one another. */

import { join } from 'node:path';
import { configError } from '../config/errors.ts';
import type { Logger } from '../core/log.ts';
import { type Registry, type ResolvedRun, resolveAll, stageOf } from './config.ts';
import type { Display } from './progress.ts';
import type { RunSummary } from './run-folder.ts';
import { trainRun } from './train.ts';
import { trainVision } from './train-vision.ts';

export interface TrainAllRequest {
  files: readonly string[];
  /** Run folder of a single file; folder of the run folders of several. */
  out: string;
  set: readonly string[];
  resume: boolean;
  registry: Registry;
  logger: Logger;
  display?: Display | undefined;
  signal?: AbortSignal;
}

export interface TrainedRun {
  folder: string;
  summary: RunSummary;
}

/**
 * Checks every file, then trains them in order. With several files each run is in the folder of its name below `out`, and a bare
 * name in `init.from` means the run of that name there.
 * @throws the first error; runs that finished before stay as they are
 */
export async function trainAll(request: TrainAllRequest): Promise<TrainedRun[]> {
  const { files, out, set, registry, resume, logger, display, signal } = request;
  const runs = resolveAll(files, { registry, set });
  const several = runs.length > 1;
  if (several) refuseEqualNames(runs);
  const trained: TrainedRun[] = [];
  for (const resolved of runs) {
    if (signal?.aborted === true) break;
    const folder = several ? join(out, resolved.config.name) : out;
    const run = several ? withinOut(resolved, out, runs) : resolved;
    if (several) logger.info(`run ${run.config.name}`);
    const train = stageOf(run.config, registry).objective === 'patches' ? trainVision : trainRun;
    trained.push({ folder, summary: await train({ run, folder, resume, registry, logger, display, signal }) });
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
