/** Sets up the engine `tensorflow`: finds or fetches the library, builds the addon, checks it by a computation. */

import { writeFileAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';
import { runProbe } from '../probe-run.ts';
import { buildAddon, nodePackage } from './build.ts';
import { fetchTensorflow, wheelName } from './fetch.ts';
import { libraryBytes, locateTensorflow, type TensorflowLibrary, type TensorflowSource } from './locate.ts';
import { setupRecord } from './open.ts';

export interface TensorflowSetup {
  /** Version of the TensorFlow library, as the library itself says. */
  version: string;
  source: TensorflowSource;
  /** Folder of the library. */
  dir: string;
  addonPath: string;
  /** Size of the library on disk. */
  bytes: number;
  /** Wall time of the whole set-up. */
  seconds: number;
  /** False when the addon was there already. */
  built: boolean;
}

interface Built {
  version: string;
  addonPath: string;
  built: boolean;
}

async function buildAndCheck(library: TensorflowLibrary, log: (line: string) => void): Promise<Built> {
  const { addon, built } = await buildAddon(library.dir);
  log(built ? `built ${addon.binding}` : `addon is up to date: ${addon.binding}`);
  const probe = await runProbe(
    { backend: 'tensorflow', device: 'auto', measure: false },
    { TRISTAGE_TENSORFLOW_DIR: library.dir },
  );
  log(`checked: TensorFlow ${probe.version} computes on ${probe.device}`);
  return { version: probe.version, addonPath: addon.binding, built };
}

/** A Python's tensorflow may be too old or broken for us; then, unless the user named it, the tested wheel is fetched. */
function mayReplace(library: TensorflowLibrary, error: unknown): error is TristageError {
  const codes = ['E_BUILD', 'E_ENGINE_LOAD', 'E_ENGINE_CHECK'];
  return library.source === 'python' && error instanceof TristageError && codes.includes(error.code);
}

/**
 * Idempotent: what exists and works is kept; the check runs every time.
 * @throws TristageError E_ENGINE_MISSING, E_TENSORFLOW_DIR, E_PIP, E_FETCH, E_COMPILER, E_BUILD, E_ENGINE_LOAD, E_ENGINE_CHECK
 */
export async function setupTensorflow(options: { log?: (line: string) => void } = {}): Promise<TensorflowSetup> {
  const log = options.log ?? (() => undefined);
  const start = performance.now();
  nodePackage();
  let library = await locateTensorflow(wheelName());
  if (library === undefined) {
    log(`fetching ${wheelName()} by pip (a download of 0.3 GB or more)`);
    library = await fetchTensorflow();
  }
  log(`TensorFlow library (${library.source}): ${library.dir}`);
  let result: Built;
  try {
    result = await buildAndCheck(library, log);
  } catch (error) {
    if (!mayReplace(library, error)) throw error;
    log(`warning: ${library.dir} does not serve (${error.code}: ${error.message}); fetching ${wheelName()}`);
    library = await fetchTensorflow();
    result = await buildAndCheck(library, log);
  }
  await writeFileAtomic(setupRecord(), `${JSON.stringify({ dir: library.dir, source: library.source }, null, 2)}\n`);
  const { dir, source } = library;
  return { ...result, dir, source, bytes: libraryBytes(dir), seconds: (performance.now() - start) / 1000 };
}
