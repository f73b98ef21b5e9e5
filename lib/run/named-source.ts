/** A source as the command line names it: by one of its names, with options as `--set key=value`. */

import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { applySet } from '../config/load.ts';
import { closest } from '../config/suggest.ts';
import { fromPlain, type Plain, toPlain } from '../config/tree.ts';
import { forEachPath } from '../config/walk.ts';
import { TristageError } from '../core/errors.ts';
import type { Source } from '../data/source.ts';
import type { Registry } from './config.ts';

/**
 * The source of a name, or of one of its other names.
 * @throws TristageError E_USAGE when there is none
 */
export function findSource(name: string, { sources }: Registry): Source {
  const found = sources.find((source) => source.name === name || Object.hasOwn(source.aliases ?? {}, name));
  if (found !== undefined) return found;
  const known = sources.flatMap((source) => [source.name, ...Object.keys(source.aliases ?? {})]);
  const near = closest(name, known);
  throw usage(
    `there is no source ${name}`,
    near === undefined ? `take one of ${known.join(', ')}` : `did you mean ${near}?`,
  );
}

export interface OptionRequest {
  /** The name that was used: it may stand for options. */
  name: string;
  /** `key=value` */
  set: readonly string[];
  /** Keys that are taken beside those of the source. */
  more?: readonly string[];
}

/**
 * The options that the name and `--set` give, those of the source with absolute paths.
 * @throws TristageError E_USAGE for an option that the source does not have
 */
export function sourceOptions(
  source: Source,
  { name, set, more = [] }: OptionRequest,
): { options: Record<string, unknown>; others: Record<string, unknown> } {
  const start = fromPlain({ ...source.aliases?.[name] }, { kind: 'preset', name });
  const given = toPlain(set.reduce(applySet, start)) as Record<string, Plain>;
  const own = [...Object.keys(source.options.shape), 'task'];
  const options: Record<string, Plain> = {};
  const others: Record<string, Plain> = {};
  for (const [key, value] of Object.entries(given)) {
    if (own.includes(key)) options[key] = value;
    else if (more.includes(key)) others[key] = value;
    else {
      const known = [...own, ...more];
      const near = closest(key, known);
      throw usage(
        `source ${source.name} has no option ${key}`,
        near === undefined ? `it has ${known.join(', ')}` : `did you mean ${near}?`,
      );
    }
  }
  return { options: withAbsolutePaths(source.options, options), others };
}

/** Paths of the command line count from the current folder. */
function withAbsolutePaths(schema: z.ZodObject, options: Record<string, Plain>): Record<string, unknown> {
  const copy = structuredClone(options) as Record<string, unknown>;
  forEachPath(schema, options, (path, text) => {
    if (isAbsolute(text)) return;
    const holder = path
      .slice(0, -1)
      .reduce<unknown>((value, key) => (value as Record<string | number, unknown>)[key], copy);
    (holder as Record<string | number, unknown>)[path.at(-1) as string | number] = resolve(text);
  });
  return copy;
}

/** The error of a command line that cannot be meant. */
export function usage(message: string, fix: string): TristageError {
  return new TristageError({ kind: 'usage', code: 'E_USAGE', message, fix });
}
