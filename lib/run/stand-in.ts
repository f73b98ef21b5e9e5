/**
 * Sources and stages that a run names but this process does not have: another program's own, or a plugin that is not executed. A
 * trained run can be read, asked and exported without them; only its data cannot be opened.
 */

import { z } from 'zod';
import { mixtureLineKeys } from '../config/schema-data.ts';
import { type ConfigNode, nodeAt, toPlain } from '../config/tree.ts';
import { TristageError } from '../core/errors.ts';
import type { Source, SourceKind } from '../data/source.ts';
import { TASKS } from '../data/task.ts';
import type { Stage, TrainableGroup } from '../train/stage.ts';
import type { Registry } from './config.ts';

const GROUPS: readonly TrainableGroup[] = ['vision', 'projector', 'lora', 'llm'];
/** Keys of a line that belong to every source. */
const SHARED = new Set(['source', 'root', 'task', 'samples', ...Object.keys(mixtureLineKeys)]);

/** The registry with a stand-in for each name of a checked run that it lacks. */
export function withStandIns(registry: Registry, tree: ConfigNode): Registry {
  const lines = linesOf(tree).filter(({ source }) => !registry.sources.some(({ name }) => name === source));
  const names = [...new Set(lines.map(({ source }) => source))];
  const stage = toPlain(nodeAt(tree, ['stage']) ?? { kind: 'scalar', origin: { kind: 'default' }, value: null });
  const stages =
    typeof stage !== 'string' || registry.stages.some(({ name }) => name === stage)
      ? registry.stages
      : [...registry.stages, stageNamed(stage)];
  const kind = stages.find(({ name }) => name === stage)?.accepts[0] ?? 'task';
  return { sources: [...registry.sources, ...names.map((name) => sourceNamed(name, { lines, kind }))], stages };
}

type Line = Readonly<Record<string, unknown>> & { source: string };

function linesOf(tree: ConfigNode): Line[] {
  const lists = [nodeAt(tree, ['data', 'mixture', 'sources']), nodeAt(tree, ['eval', 'sources'])];
  return lists
    .flatMap((list): unknown[] => (list?.kind === 'list' ? list.items.map(toPlain) : []))
    .filter((line): line is Line => typeof (line as Partial<Line> | null)?.source === 'string');
}

/** @param options `kind`: one that the stage of the run accepts */
function sourceNamed(name: string, { lines, kind }: { lines: readonly Line[]; kind: SourceKind }): Source {
  const keys = lines.filter(({ source }) => source === name).flatMap((line) => Object.keys(line));
  const options = keys.filter((key) => !SHARED.has(key)).map((key) => [key, z.unknown().optional()] as const);
  return {
    name,
    summary: 'A source that is not here.',
    kind,
    // Without files of its own it needs no root; where the run says one, that holds.
    embedded: true,
    tasks: TASKS,
    options: z.object(Object.fromEntries(options)),
    open: () => Promise.reject(notHere(name)),
  };
}

function stageNamed(name: string): Stage {
  const summary = 'A stage that is not here.';
  return { name, summary, mayTrain: GROUPS, trains: GROUPS, accepts: ['weak', 'task', 'instruction'] };
}

function notHere(name: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_SOURCE_UNKNOWN',
    message: 'a source of this run is not here',
    found: name,
    expected: 'a source that ships with tristage, that a plugin gives, or that the program hands in',
    fix: 'name the module that defines it under `plugins`, or hand it in as `sources`',
  });
}
