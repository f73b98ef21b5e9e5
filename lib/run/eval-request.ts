/** What is asked of an evaluation, and what it gives. */

import type { DeviceChoice, EngineName } from '../engine/engine.ts';
import type { EvalReport } from './eval-report.ts';

/** The best constant answer, another scene's image, and the weights that the run began with. */
export type Control = 'chance' | 'shuffled' | 'untrained';
/** All of them. */
export const CONTROLS: readonly Control[] = ['chance', 'shuffled', 'untrained'];

/** What is evaluated, and how. */
export interface EvaluateSettings {
  /** Run folder, or one of its checkpoints. */
  checkpoint: string;
  /** A run file whose `eval` is used in place of the run's own. */
  file?: string | undefined;
  /** `a.b=c` arguments, laid over that file, or over the run's configuration. */
  set?: readonly string[] | undefined;
  /** Questions of each task of each source, in place of what the configuration says. */
  samples?: number | undefined;
  /** Split of every source, where it has that option. */
  split?: string | undefined;
  /** Default: `eval/step-N` of the run. */
  out?: string | undefined;
  /** What stands beside the model: true, the default, for all, false for none. */
  controls?: boolean | readonly Control[] | undefined;
  /** Default: as the configuration says. */
  engine?: EngineName | undefined;
  device?: DeviceChoice | undefined;
}

/** Where an evaluation lies and what it found. */
export interface RunEvaluation {
  folder: string;
  report: EvalReport;
}
