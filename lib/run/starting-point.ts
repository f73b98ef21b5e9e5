/** Where a training run begins: anew, at a checkpoint, or not at all because it is finished. */

import { type Checkpoint, latestGood } from '../checkpoint/store.ts';
import type { Logger } from '../core/log.ts';
import type { OwnWeights } from './check-weights.ts';
import type { ResolvedRun } from './config.ts';
import { inspectRunFolder, type RunSummary, readSummary } from './run-folder.ts';
import { piecesOf } from './vocabulary.ts';
import { checkpointWeights } from './weights.ts';

/** What decides where a run begins. */
export interface StartRequest {
  run: ResolvedRun;
  folder: string;
  resume: boolean;
  logger: Logger;
}

/**
 * The newest good checkpoint of the folder, each damaged one named; or what a finished run said of itself.
 * @throws TristageError E_OUT_EXISTS, E_OUT_FOREIGN or E_OUT for a folder that cannot be used
 */
export async function startingPoint(
  request: StartRequest,
): Promise<{ checkpoint: Checkpoint | undefined; finished: RunSummary | undefined }> {
  const { run, folder, resume, logger } = request;
  const checkpoint = inspectRunFolder(folder, resume) ? await resumePoint(request) : undefined;
  const summary = readSummary(folder);
  if (checkpoint !== undefined && checkpoint.step >= run.config.train.steps && summary?.finished === true) {
    logger.info(`${folder} is finished: step ${summary.step} of ${summary.steps}`);
    return { checkpoint, finished: summary };
  }
  if (resume && checkpoint === undefined) logger.info(`no checkpoint in ${folder}: starting at step 0`);
  return { checkpoint, finished: undefined };
}

/** The weights of a checkpoint that a run goes on from. */
export function goingOn(checkpoint: Checkpoint): OwnWeights {
  return { weights: checkpointWeights(checkpoint.modelFile), pieces: piecesOf(checkpoint) };
}

async function resumePoint({ folder, logger }: StartRequest): Promise<Checkpoint | undefined> {
  const { checkpoint, damaged } = await latestGood(folder);
  for (const { path, error } of damaged)
    logger.warn(`${path} is not used: ${error.message} (${error.where}, ${error.found})`);
  return checkpoint;
}
