/** A user's own sources and stages: modules that a run file names under `plugins`. Naming one means executing it. */

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadTree } from '../config/load.ts';
import { type ConfigNode, describeOrigin, nodeAt } from '../config/tree.ts';
import { TristageError } from '../core/errors.ts';
import type { Source } from '../data/source.ts';
import type { Stage } from '../train/stage.ts';
import { type Registry, type ResolvedRun, resolveAll } from './config.ts';

/** A module that a run file names. */
interface Plugin {
  /** Absolute. */
  path: string;
  /** Where it is named. */
  where: string;
}

/**
 * Reads and checks run files after executing the modules that they name; each run has the sources and stages of its own file
 * beside those of the registry.
 * @throws TristageError E_PLUGIN_IMPORT, E_PLUGIN_EMPTY, E_PLUGIN_NAME, and those of reading run files
 */
export async function openRuns(
  files: readonly string[],
  { registry, set = [] }: { registry: Registry; set?: readonly string[] },
): Promise<ResolvedRun[]> {
  const runs: ResolvedRun[] = [];
  for (const file of files) {
    const own = await withPlugins(registry, loadTree(file, { set }));
    runs.push(...resolveAll([file], { registry: own, set }));
  }
  return runs;
}

/**
 * A registry with what the plugins of a run file give.
 * @param tree the run file; its plugins are absolute paths
 * @throws TristageError E_PLUGIN_IMPORT, E_PLUGIN_EMPTY, E_PLUGIN_NAME
 */
export async function withPlugins(registry: Registry, tree: ConfigNode): Promise<Registry> {
  return joinPlugins(registry, pluginsOf(tree));
}

/**
 * A registry with what modules give that are named on the command line.
 * @param paths relative to the current directory, or absolute
 * @throws TristageError E_PLUGIN_IMPORT, E_PLUGIN_EMPTY, E_PLUGIN_NAME
 */
export async function withPluginFiles(registry: Registry, paths: readonly string[]): Promise<Registry> {
  return joinPlugins(
    registry,
    paths.map((path) => ({ path: resolve(path), where: `--plugin ${path}` })),
  );
}

async function joinPlugins(registry: Registry, plugins: readonly Plugin[]): Promise<Registry> {
  let joined = registry;
  for (const plugin of plugins) joined = joinRegistries(joined, await importPlugin(plugin), plugin.where);
  return joined;
}

/** What is no list of texts is left to the schema, which says so with its place. */
function pluginsOf(tree: ConfigNode): Plugin[] {
  const node = nodeAt(tree, ['plugins']);
  if (node?.kind !== 'list') return [];
  return node.items.flatMap((item) =>
    item.kind === 'scalar' && typeof item.value === 'string' && item.value !== ''
      ? [{ path: item.value, where: describeOrigin(item.origin) }]
      : [],
  );
}

/**
 * Both registries as one.
 * @param where who brings `more`, for the error
 * @throws TristageError E_PLUGIN_NAME when two different sources, or stages, have one name
 */
export function joinRegistries(base: Registry, more: Registry, where?: string): Registry {
  const join = <Item extends { name: string }>(
    what: string,
    ours: readonly Item[],
    theirs: readonly Item[],
  ): Item[] => {
    const joined = [...ours];
    for (const item of theirs) {
      if (joined.includes(item)) continue;
      if (joined.some(({ name }) => name === item.name)) throw nameTaken(what, item.name, where);
      joined.push(item);
    }
    return joined;
  };
  return {
    sources: join('source', base.sources, more.sources),
    stages: join('stage', base.stages, more.stages),
  };
}

function nameTaken(what: string, name: string, where: string | undefined): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_PLUGIN_NAME',
    message: `there is a ${what} of this name already`,
    ...(where !== undefined && { where }),
    found: name,
    expected: `a name that no other ${what} has`,
    fix: `rename the ${what}; those that ship with tristage cannot be replaced`,
  });
}

async function importPlugin({ path, where }: Plugin): Promise<Registry> {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw notImported({ where, found: path, fix: 'check the path; in a run file it is relative to that file' });
  }
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    throw notImported({ where, found: `${path}: ${describe(error)}`, fix: cureOf(error), cause: error });
  }
  const values = Object.values(exported).flatMap((value): unknown[] => (Array.isArray(value) ? value : [value]));
  const [sources, stages] = [values.filter(isSource), values.filter(isStage)];
  if (sources.length + stages.length > 0) return { sources: distinct(sources), stages: distinct(stages) };
  throw new TristageError({
    kind: 'config',
    code: 'E_PLUGIN_EMPTY',
    message: 'the plugin exports no source and no stage',
    where,
    found: `${path}: ${Object.keys(exported).join(', ') || 'no exports'}`,
    expected: 'an export made by defineSource, defineRowSource or defineStage, or a list of such',
    fix: 'export const mine = defineSource({ ... })',
  });
}

function notImported(details: { where: string; found: string; fix: string; cause?: unknown }): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_PLUGIN_IMPORT',
    message: 'a plugin cannot be imported',
    expected: 'a JavaScript module that Node.js can run',
    ...details,
  });
}

function describe(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}

function cureOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return 'compile it to JavaScript (.mjs), or use a Node.js that runs TypeScript';
  if (code === 'ERR_MODULE_NOT_FOUND')
    return 'install what the module imports where it lies; it imports tristage by that name';
  return 'mend the module; --debug shows its own error';
}

/** One value may be exported twice, as itself and in a list. */
function distinct<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}

/** By shape, since the module may have been written against another copy of this package. */
function isSource(value: unknown): value is Source {
  const source = value as Partial<Source> | null | undefined;
  return typeof source?.name === 'string' && Array.isArray(source.tasks) && typeof source.open === 'function';
}

function isStage(value: unknown): value is Stage {
  const stage = value as Partial<Stage> | null | undefined;
  return typeof stage?.name === 'string' && Array.isArray(stage.mayTrain) && Array.isArray(stage.accepts);
}
