/** Opens the sources that run files name: through their index where they have rows, which is made where it is missing. */

import { join } from 'node:path';
import type { SourceConfig } from '../config/schema.ts';
import { createLogger } from '../core/log.ts';
import { cacheDir } from '../core/paths.ts';
import { openIndexed } from '../data/index/ensure.ts';
import { isRowSource } from '../data/row-source.ts';
import type { OpenSource } from '../data/source.ts';
import { type Registry, sourceOf } from './config.ts';
import { packageVersion } from './facts.ts';
import { prepareProgress } from './prepare-progress.ts';

/** A source as a line of a run file names it. */
export interface SourceLine {
  source: string;
  root: string;
  index?: string | undefined;
  task?: string | undefined;
  [option: string]: unknown;
}

/** How a line of a mixture is drawn. */
export type Drawing = Pick<SourceConfig, 'rate' | 'batch' | 'cap' | 'window' | 'badShare'>;

/** Parts a line of a mixture: how it is drawn, and which samples it has. */
export function partLine({ rate, batch, cap, window, badShare, ...line }: SourceConfig): {
  drawing: Drawing;
  line: SourceLine;
} {
  return { drawing: { rate, batch, cap, window, badShare }, line };
}

export interface OpenSourceContext {
  registry: Registry;
  /** `data.cache` of the run file. */
  cache?: string | undefined;
  /** Told what is prepared, and how far that is. Default: lines on stderr. */
  info?: ((message: string) => void) | undefined;
}

/** The folder of indexes that nobody named. */
export function indexCache(cache?: string): string {
  return cache ?? join(cacheDir(), 'index');
}

/**
 * Opens one source.
 * @throws TristageError of kind `data` for missing files, an empty source, or a named index that cannot be used
 */
export async function openSourceLine(line: SourceLine, context: OpenSourceContext): Promise<OpenSource> {
  const { source: name, index, ...options } = line;
  const source = sourceOf(name, context.registry);
  if (!isRowSource(source)) return source.open(options);
  const info = context.info ?? createLogger().info;
  const { source: opened } = await openIndexed(source.plan(options), {
    place: index === undefined ? { cache: indexCache(context.cache) } : { index },
    verify: 'quick',
    tool: `tristage ${packageVersion()}`,
    info,
    onResume: (rows) => info(`source ${name}: ${rows} rows are there already; going on behind them`),
    onProgress: prepareProgress({ name, info }),
  });
  return opened;
}
