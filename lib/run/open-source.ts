/** Opens the sources that run files name: through their index where they have rows, which is made where it is missing. */

import { join } from 'node:path';
import { createLogger } from '../core/log.ts';
import { cacheDir } from '../core/paths.ts';
import type { BuildProgress } from '../data/index/build.ts';
import { openIndexed } from '../data/index/ensure.ts';
import { isRowSource } from '../data/row-source.ts';
import type { OpenSource } from '../data/source.ts';
import { type Registry, sourceOf } from './config.ts';
import { packageVersion } from './facts.ts';

/** A source as a line of a run file names it. */
export interface SourceLine {
  source: string;
  root: string;
  index?: string | undefined;
  task?: string | undefined;
  [option: string]: unknown;
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
  return openIndexed(source.plan(options), {
    place: index === undefined ? { cache: indexCache(context.cache) } : { index },
    verify: 'headers',
    tool: `tristage ${packageVersion()}`,
    info,
    onResume: (rows) => info(`source ${name}: ${rows} rows are there already; going on behind them`),
    onProgress: progressLines(name, info),
  });
}

/** Milliseconds between two lines. */
const LINE_MS = 5000;

/**
 * Turns progress into a line every few seconds.
 * @param now milliseconds of some clock
 */
export function progressLines(
  name: string,
  info: (message: string) => void,
  now: () => number = () => performance.now(),
): (progress: BuildProgress) => void {
  const started = now();
  let last = started;
  let first: number | undefined;
  return ({ seen, rejected }) => {
    // Rows of an earlier attempt came at once; they say nothing of the speed.
    first ??= seen;
    if (now() - last < LINE_MS) return;
    last = now();
    const speed = Math.round((1000 * (seen - first)) / (last - started));
    info(`source ${name}: ${seen} rows, ${rejected} left out, ${speed} rows/s`);
  };
}
