/** Reads run files for a program. */

import type { ResolvedRun } from '../run/config.ts';
import { type OwnParts, registryOf } from './own.ts';

/** A checked run file: every default filled in, every value with its origin, and the sources and stages that it may name. */
export interface LoadedConfig extends ResolvedRun {}

/** What `loadConfig` takes beside the file. */
export interface LoadOptions extends OwnParts {
  /** `a.b=c` texts as `--set` takes them, such as `train.steps=20`; later ones win. */
  set?: readonly string[] | undefined;
}

/**
 * Reads and checks a run file, with everything that it extends and the modules that it names under `plugins`.
 * @param file path of the YAML file
 * @throws TristageError of kind `config`; `faultsOf` gives every fault of the file
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const { openRuns } = await import('../run/plugins.ts');
  const [run] = await openRuns([file], { registry: await registryOf(options), set: options.set ?? [] });
  return run as LoadedConfig;
}

/**
 * The JSON Schema (draft 7) of run files, for editors that shall know sources and stages of one's own.
 * @returns the text of the schema
 */
export async function jsonSchema(own: OwnParts = {}): Promise<string> {
  const { schemaText } = await import('../run/config.ts');
  return schemaText(await registryOf(own));
}
