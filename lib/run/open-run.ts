/** A run as it lies on disk: its configuration and the checkpoint that is asked. */

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import { loadTree } from '../config/load.ts';
import type { RunConfig } from '../config/schema.ts';
import { type Registry, type ResolvedRun, resolveAll } from './config.ts';
import { withPlugins } from './plugins.ts';
import { RUN_FILES } from './run-folder.ts';
import { withStandIns } from './stand-in.ts';
import { checkpointOf, noCheckpoint } from './weights.ts';

export interface OpenedRun {
  config: RunConfig;
  /** Run folder. */
  folder: string;
  checkpoint: Checkpoint;
  /** Has every source and stage that the run names; one that is not here cannot be opened. */
  registry: Registry;
}

/** How the configuration of a run on disk is read. */
export interface ReadRunOptions {
  registry: Registry;
  /** `a.b=c` arguments laid over the configuration. */
  set?: readonly string[] | undefined;
  /** Executes the modules that the run names, for whoever opens its data. Default: no foreign code runs. */
  plugins?: boolean;
}

/**
 * The configuration of a run on disk.
 * @returns with every source and stage that it names; one that is not here cannot be opened
 * @throws TristageError E_NO_CHECKPOINT where no run is, those of reading a run file, and of plugins where they are wanted
 */
export async function readRun(folder: string, options: ReadRunOptions): Promise<ResolvedRun> {
  const file = join(folder, RUN_FILES.config);
  if (!existsSync(file)) throw noCheckpoint(folder);
  const { set = [], plugins = false } = options;
  const tree = loadTree(file, { set });
  const registry = withStandIns(plugins ? await withPlugins(options.registry, tree) : options.registry, tree);
  const [run] = resolveAll([file], { registry, set });
  if (run === undefined) throw noCheckpoint(folder);
  return run;
}

/**
 * The configuration of a run and its newest good checkpoint, or the checkpoint that is named.
 * @param path run folder, or one of its checkpoints
 * @throws TristageError E_NO_CHECKPOINT, E_CHECKPOINT_DAMAGED, and those of readRun
 */
export async function openRun(path: string, options: ReadRunOptions): Promise<OpenedRun> {
  const isCheckpoint = basename(dirname(path)) === RUN_FILES.checkpoints;
  const folder = isCheckpoint ? dirname(dirname(path)) : path;
  const { config, registry } = await readRun(folder, options);
  return { config, folder, checkpoint: await checkpointOf(path), registry };
}
