/** `tristage setup`: makes an engine ready on this machine and says what was done, how large it is, and where it lies. */

import type { EngineName } from '../engine/engine.ts';

/** What was set up. */
export interface SetupReport {
  engine: EngineName;
  /** Version of the library that computes. */
  version: string;
  /** How the library was found: python, debian, pip, cache, or the variable that names its folder. */
  source: string;
  /** Folder of the library. */
  dir: string;
  addonPath: string;
  /** Size of the library on disk. */
  bytes: number;
  seconds: number;
  /** False when everything was there already. */
  built: boolean;
}

/** What to set up. */
export interface SetupOptions {
  engine: EngineName;
  /** Believes what an earlier call checked, where nothing has changed since (torch). */
  known?: boolean | undefined;
  /** Receives one line per step. */
  log?: (line: string) => void;
}

/**
 * Finds or fetches the engine's library, builds its addon, checks it by a computation. Idempotent.
 * @throws TristageError of kind environment, with the cure: E_PIP, E_COMPILER, E_BUILD, E_ENGINE_*
 */
export async function runSetup({ engine, known, log }: SetupOptions): Promise<SetupReport> {
  const options = log === undefined ? {} : { log };
  const report =
    engine === 'torch'
      ? await (await import('../engine/torch/setup.ts')).setupTorch({ ...options, known })
      : await (await import('../engine/tensorflow/index.ts')).setupTensorflow(options);
  const { version, source, dir, addonPath, bytes, seconds, built } = report;
  return { engine, version, source, dir, addonPath, bytes, seconds, built };
}

/** 853308936 -> `853 MB`. */
function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** The report as lines of text, joined by newline. */
export function renderSetup(report: SetupReport): string {
  const { engine, version, source, dir, addonPath, bytes, seconds, built } = report;
  return [
    `engine ${engine} is ready: version ${version}, checked by a computation`,
    `  library  ${dir} (${source}, ${megabytes(bytes)})`,
    `  addon    ${addonPath} (${built ? 'built now' : 'was up to date'})`,
    `  took     ${seconds.toFixed(1)} s`,
  ].join('\n');
}
