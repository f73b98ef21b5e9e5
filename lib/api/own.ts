/** What every function of the public API takes: sources and stages of the caller's own, and where progress is told. */

import { createLogger, type Logger } from '../core/log.ts';
import type { Source } from '../data/source.ts';
import type { Registry } from '../run/config.ts';
import type { Stage } from '../train/stage.ts';

/** Sources and stages that a program defines itself; those that ship with tristage are always there. */
export interface OwnParts {
  /** Made by `defineSource` or `defineRowSource`. */
  sources?: readonly Source[] | undefined;
  /** Made by `defineStage`. */
  stages?: readonly Stage[] | undefined;
}

/** Where a function tells its progress. */
export interface Progress {
  /** Default: nothing is told. `createLogger()` writes lines to stderr. */
  logger?: Logger | undefined;
}

/** What ships, joined with a program's own. @throws TristageError E_PLUGIN_NAME when a name is taken */
export async function registryOf({ sources = [], stages = [] }: OwnParts): Promise<Registry> {
  const [{ SHIPPED }, { joinRegistries }] = await Promise.all([import('./shipped.ts'), import('../run/plugins.ts')]);
  return joinRegistries(SHIPPED, { sources, stages });
}

/** The caller's logger, or one that says nothing. */
export function loggerOf({ logger }: Progress): Logger {
  return logger ?? createLogger({ sink: () => undefined });
}
