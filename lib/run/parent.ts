/** What a run starts from (`init.from`): another run, one of its checkpoints, or an export. */

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import type { ModelConfig } from '../model/config.ts';
import { type Ancestor, parseState } from '../train/state.ts';
import type { Registry } from './config.ts';
import { ancestorOf, lineageOf } from './lineage.ts';
import { modelConfigOf } from './model-config.ts';
import { readRun } from './open-run.ts';
import { RUN_FILES } from './run-folder.ts';
import { checkpointOf, checkpointWeights, type StartWeights } from './weights.ts';

/** Something that a run may start from. */
export interface Parent {
  /** As `init.from` names it. */
  path: string;
  weights: StartWeights;
  /** Kept pieces of the tokenizer; undefined where the vocabulary is whole. */
  pieces: readonly number[] | undefined;
  /** The stages behind it and itself, the last one first. */
  lineage: readonly Ancestor[];
  /** What its model is; unknown for a checkpoint without a run around it. */
  facts?: ParentFacts | undefined;
}

/** What a run must share with the one that it starts from. */
export interface ParentFacts {
  model: ModelConfig;
  /** How its images were resized. */
  transform: string;
}

/**
 * Opens what `init.from` names.
 * @throws TristageError E_NO_CHECKPOINT, E_CHECKPOINT_DAMAGED, and those of reading a run file
 */
export async function openParent(path: string, { registry }: { registry: Registry }): Promise<Parent> {
  const checkpoint = await checkpointOf(path);
  const isCheckpoint = basename(dirname(checkpoint.path)) === RUN_FILES.checkpoints;
  const folder = isCheckpoint ? dirname(dirname(checkpoint.path)) : undefined;
  const known = folder !== undefined && existsSync(join(folder, RUN_FILES.config)) ? folder : undefined;
  const config = known === undefined ? undefined : (await readRun(known, { registry })).config;
  return {
    path,
    weights: checkpointWeights(checkpoint.modelFile),
    pieces: stateOf(checkpoint).vocabulary,
    lineage: [...(config === undefined ? [] : [await ancestorOf(config, checkpoint)]), ...lineageOf(checkpoint)],
    facts: config && { model: modelConfigOf(config), transform: config.data.transform },
  };
}

function stateOf({ state, path }: Checkpoint) {
  return parseState(state, join(path, 'state.json'));
}

/**
 * Refuses a parent whose model is another one than the run's.
 * @throws TristageError E_INIT_PARENT naming each setting with both values
 */
export function checkParent(config: RunConfig, { facts, path }: Parent): void {
  if (facts === undefined) return;
  const own = comparable(modelConfigOf(config), config.data.transform);
  const theirs = comparable(facts.model, facts.transform);
  // Adapters may begin with this run, but those that are there must stay as they are.
  const withoutAdapters = facts.model.lora === undefined;
  const differences = [...theirs].filter(
    ([key, value]) => !(withoutAdapters && key.startsWith('model.lora')) && own.get(key) !== value,
  );
  if (differences.length === 0) return;
  const listed = (values: ReadonlyMap<string, string>) =>
    differences.map(([key]) => `${key}: ${values.get(key) ?? 'none'}`).join('; ');
  throw new TristageError({
    kind: 'config',
    code: 'E_INIT_PARENT',
    message: 'the model that this run starts from is another one',
    where: 'init.from',
    found: listed(own),
    expected: `${listed(theirs)}, as ${path} has`,
    fix: 'give the run the settings of what it starts from, or start from another run or export',
  });
}

/** The settings that decide the maths, as texts. The vocabulary is compared by its pieces. */
function comparable({ vision, join: joined, llm, lora }: ModelConfig, transform: string): Map<string, string> {
  const { vocabulary: _, ...language } = llm;
  const entries = (prefix: string, values: object) =>
    Object.entries(values).map(([key, value]): [string, string] => [`${prefix}.${key}`, String(value)]);
  const adapters = lora && { rank: lora.rank, alpha: lora.alpha, targets: [...lora.targets].sort().join(' ') };
  return new Map([
    ...entries('model.vision', vision),
    ['model.join', String(joined)],
    ...entries('model.llm', language),
    ...entries('model.lora', adapters ?? {}),
    ['model.lora.rslora', String(lora?.rslora ?? false)],
    ['data.transform', transform],
  ]);
}
