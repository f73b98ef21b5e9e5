/** A run as it lies on disk: its configuration and the checkpoint that is asked. */

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { type Registry, resolveAll } from './config.ts';
import { RUN_FILES } from './run-folder.ts';
import { checkpointOf, noCheckpoint } from './weights.ts';

export interface OpenedRun {
  config: RunConfig;
  /** Run folder. */
  folder: string;
  checkpoint: Checkpoint;
}

/**
 * The configuration of a run and its newest good checkpoint, or the checkpoint that is named.
 * @param path run folder, or one of its checkpoints
 * @param options `set`: `a.b=c` arguments laid over the configuration
 * @throws TristageError E_NO_CHECKPOINT, E_CHECKPOINT_DAMAGED, and those of reading a run file
 */
export async function openRun(
  path: string,
  options: { registry: Registry; set?: readonly string[] },
): Promise<OpenedRun> {
  const isCheckpoint = basename(dirname(path)) === RUN_FILES.checkpoints;
  const folder = isCheckpoint ? dirname(dirname(path)) : path;
  const file = join(folder, RUN_FILES.config);
  if (!existsSync(file)) throw noCheckpoint(path);
  const [run] = resolveAll([file], options);
  if (run === undefined) throw noCheckpoint(path);
  return { config: run.config, folder, checkpoint: await checkpointOf(path) };
}
