/** Which run folders a report is about: a run with those that it started from, a folder of stages, or several to compare. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { toPlain } from '../../config/tree.ts';
import { readYaml } from '../../config/yaml.ts';
import { TristageError } from '../../core/errors.ts';
import { RUN_FILES } from '../run-folder.ts';

/** Run folders that belong together, the first in time first. */
export interface FoundChain {
  /** What it is called beside others. */
  label: string;
  folders: readonly string[];
  /** What the first run started from, where that is not found. */
  missing?: string | undefined;
}

/** More stages than anyone chains; the end of a circle, too. */
const MOST_RUNS = 32;

/**
 * Finds the runs behind the arguments of a report. One run stands with all that it started from; of several each stands for itself,
 * and a folder of runs always for its whole chain.
 * @param paths run folders, or folders that hold run folders
 * @throws TristageError E_REPORT_RUN for a path that holds no run
 */
export function findChains(paths: readonly string[]): FoundChain[] {
  const found = paths.flatMap((path): FoundChain[] => {
    if (isRun(path)) return [paths.length === 1 ? chainTo(path, path) : { label: path, folders: [path] }];
    return chainsWithin(path);
  });
  return withOwnLabels(found);
}

/** Whether a folder is a run. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, RUN_FILES.config));
}

/** Every chain among the runs of a folder: one for each run that no other started from. */
function chainsWithin(path: string): FoundChain[] {
  const folders = namesIn(path)
    .map((name) => join(path, name))
    .filter(isRun);
  if (folders.length === 0) throw noRun(path);
  const chains = folders.map((folder) => chainTo(folder, path));
  const parents = new Set(chains.flatMap((chain) => chain.folders.slice(0, -1).map((folder) => resolve(folder))));
  const ends = chains.filter((chain) => !parents.has(resolve(chain.folders.at(-1) as string)));
  return ends.length === 1 ? ends : ends.map((chain) => ({ ...chain, label: chain.folders.at(-1) as string }));
}

function chainTo(last: string, label: string): FoundChain {
  const folders = [last];
  let missing: string | undefined;
  for (
    let from = startOf(last);
    from !== undefined && folders.length < MOST_RUNS;
    from = startOf(folders[0] as string)
  ) {
    const parent = parentFolder(folders[0] as string, from);
    const circle = folders.some((folder) => parent !== undefined && resolve(folder) === resolve(parent));
    if (parent === undefined) missing = from;
    if (parent === undefined || circle) break;
    folders.unshift(parent);
  }
  return { label, folders, missing };
}

/** `init.from` of a run. */
function startOf(folder: string): string | undefined {
  const config = readSettings(folder);
  const init = config['init'] as { from?: unknown } | undefined;
  return typeof init?.from === 'string' ? init.from : undefined;
}

/** The resolved run file of a run as plain values, whatever version wrote it. */
export function readSettings(folder: string): Record<string, unknown> {
  const path = join(folder, RUN_FILES.config);
  const plain = toPlain(readYaml({ text: readFileSync(path, 'utf8'), name: path }));
  return typeof plain === 'object' && plain !== null && !Array.isArray(plain) ? plain : {};
}

/**
 * The run that another started from. A path that is not absolute was relative to where the other was trained, most often a folder
 * above its own; runs that were moved together still lie beside each other.
 */
function parentFolder(folder: string, from: string): string | undefined {
  const name = basename(dirname(from)) === RUN_FILES.checkpoints ? dirname(dirname(from)) : from;
  const above: string[] = [];
  for (let at = dirname(resolve(folder)); ; at = dirname(at)) {
    above.push(at);
    if (at === dirname(at)) break;
  }
  const places = isAbsolute(name) ? [name] : [...above, process.cwd()].map((at) => join(at, name));
  return [...places, join(dirname(folder), basename(name))].find(isRun);
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

function noRun(path: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_REPORT_RUN',
    message: 'there is no run to report on',
    where: path,
    found: existsSync(path) ? `no ${RUN_FILES.config} in it or in a folder below it` : 'no such folder',
    expected: 'a run folder, or a folder of run folders',
    fix: 'name the --out of a tristage train',
  });
}

/** Names as short as tell the chains apart: the last parts of their paths, without what all end in. */
function withOwnLabels(chains: readonly FoundChain[]): FoundChain[] {
  const parts = chains.map(({ label }) => resolve(label).split(/[\\/]/).filter(Boolean));
  const most = Math.max(...parts.map(({ length }) => length));
  let taken = 1;
  while (taken < most && new Set(parts.map((part) => part.slice(-taken).join('/'))).size < parts.length) taken++;
  const own = parts.map((part) => part.slice(-taken));
  const alike = (): boolean => own.every((part) => part.length > 1 && part.at(-1) === own[0]?.at(-1));
  while (own.length > 1 && alike()) for (const part of own) part.pop();
  return chains.map((chain, place) => ({ ...chain, label: own[place]?.join('/') ?? chain.label }));
}
