/** Trains runs for a program. */

import { TristageError } from '../core/errors.ts';
import type { TrainedRun } from '../run/train-all.ts';
import type { StepRecord } from '../train/loop.ts';
import { type LoadedConfig, type LoadOptions, loadConfig } from './load-config.ts';
import { loggerOf, type Progress } from './own.ts';

/** How runs are trained. */
export interface TrainSettings extends LoadOptions, Progress {
  /** Run folder; for several runs the folder of their run folders. */
  out: string;
  /** Goes on with the run in `out` from its newest good checkpoint. Default: `out` must be new or empty. */
  resume?: boolean | undefined;
  /** Asks the run to save and stop after the step under way. */
  signal?: AbortSignal | undefined;
  /** Called after each step. */
  onStep?: ((step: StepRecord) => void) | undefined;
}

/** A run to train. */
export interface TrainRequest extends TrainSettings {
  /** A run file, or what `loadConfig` made of one; `set`, `sources` and `stages` belong to a file. */
  config: string | LoadedConfig;
}

/** Runs to train one after another. */
export interface TrainAllRequest extends TrainSettings {
  /** Run files, or what `loadConfig` made of them. */
  configs: readonly (string | LoadedConfig)[];
}

/**
 * Trains one run, or goes on with it.
 * @returns its folder and summary; `summary.finished` is false after an abort
 * @throws TristageError of every kind; what was saved before stays usable. The signal's own reason when it had fired already
 */
export async function train({ config, ...settings }: TrainRequest): Promise<TrainedRun> {
  settings.signal?.throwIfAborted();
  const [trained] = await trainAll({ ...settings, configs: [config] });
  return trained as TrainedRun;
}

/**
 * Checks every run, then trains them in order. With several, each is in the folder of its name below `out`, and a bare name in
 * `init.from` means the run of that name there.
 * @returns the runs that were trained; after an abort the later ones are missing
 * @throws the first error; runs that finished before stay as they are
 */
export async function trainAll({ configs, ...settings }: TrainAllRequest): Promise<TrainedRun[]> {
  const { out, resume = false, signal, onStep } = settings;
  const runs: LoadedConfig[] = [];
  for (const config of configs) runs.push(await loaded(config, settings));
  const { trainRuns } = await import('../run/train-all.ts');
  return trainRuns(runs, { out, resume, signal, onStep, logger: loggerOf(settings) });
}

function loaded(config: string | LoadedConfig, { set, sources, stages }: LoadOptions): Promise<LoadedConfig> {
  if (typeof config === 'string') return loadConfig(config, { set, sources, stages });
  if (set === undefined && sources === undefined && stages === undefined) return Promise.resolve(config);
  throw new TristageError({
    kind: 'usage',
    code: 'E_USAGE',
    message: 'a loaded config takes no set, sources or stages any more',
    where: config.file,
    fix: 'hand them to loadConfig',
  });
}
