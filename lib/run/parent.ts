/** What a run starts from (`init.from`): another run, one of its checkpoints, or an export. */

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { promptTemplates } from '../export/export.ts';
import { isExport, type PromptFacts } from '../export/manifest.ts';
import { openExport } from '../export/verify.ts';
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
  /** Hash of the tokenizer's files; undefined for LLaMA's own. */
  tokenizer: string | undefined;
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
  /** How it is spoken to; its tokenizer is compared by hash. */
  prompt: Pick<PromptFacts, 'image' | 'text'>;
}

/**
 * Opens what `init.from` names: a run folder, a checkpoint or an export.
 * @throws TristageError E_NO_CHECKPOINT, E_CHECKPOINT_DAMAGED, E_EXPORT_MANIFEST, E_EXPORT_DAMAGED, and those of reading a run file
 */
export async function openParent(path: string, { registry }: { registry: Registry }): Promise<Parent> {
  return isExport(path) ? openExported(path) : openTrained(path, registry);
}

/** An export as a start. Published parts are left to the `model.weights` of the run, which can name them itself. */
async function openExported(path: string): Promise<Parent> {
  const { manifest, format, context } = await openExport(path);
  const open = () => format.open(path, { ...context, withoutOutside: true });
  return {
    path,
    weights: { where: path, open },
    pieces: manifest.tokenizer.kept,
    tokenizer: manifest.tokenizer.sha256,
    lineage: manifest.lineage,
    facts: {
      model: format.merges === true ? withoutAdapters(context.config) : context.config,
      transform: manifest.image.transform,
      prompt: manifest.prompt,
    },
  };
}

function withoutAdapters({ lora: _, ...config }: ModelConfig): ModelConfig {
  return config;
}

async function openTrained(path: string, registry: Registry): Promise<Parent> {
  const checkpoint = await checkpointOf(path);
  const isCheckpoint = basename(dirname(checkpoint.path)) === RUN_FILES.checkpoints;
  const folder = isCheckpoint ? dirname(dirname(checkpoint.path)) : undefined;
  const known = folder !== undefined && existsSync(join(folder, RUN_FILES.config)) ? folder : undefined;
  const config = known === undefined ? undefined : (await readRun(known, { registry })).config;
  return {
    path,
    weights: checkpointWeights(checkpoint.modelFile),
    pieces: stateOf(checkpoint).vocabulary,
    tokenizer: stateOf(checkpoint).tokenizer,
    lineage: [...(config === undefined ? [] : [await ancestorOf(config, checkpoint)]), ...lineageOf(checkpoint)],
    facts: config && factsOf(config),
  };
}

function stateOf({ state, path }: Checkpoint) {
  return parseState(state, join(path, 'state.json'));
}

function factsOf(config: RunConfig): ParentFacts {
  const model = modelConfigOf(config);
  return { model, transform: config.data.transform, prompt: promptTemplates() };
}

/**
 * Refuses a parent whose model is another one than the run's.
 * @throws TristageError E_INIT_PARENT naming each setting with both values
 */
export function checkParent(config: RunConfig, { facts, path, pieces }: Parent): void {
  if (facts === undefined) return;
  // A pruned vocabulary is compared by its pieces, and rows follow from them.
  const rows = pieces === undefined && config.model.vocabulary === 'whole';
  const own = comparable(factsOf(config), rows);
  const theirs = comparable(facts, rows);
  const differences = [...theirs].filter(([key, value]) => own.get(key) !== value);
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

/** The settings that decide the maths, as texts. */
function comparable({ model, transform, prompt }: ParentFacts, rows: boolean): Map<string, string> {
  const { vision, join: joined, llm, lora } = model;
  const { vocabulary, ...language } = llm;
  const entries = (prefix: string, values: object) =>
    Object.entries(values).map(([key, value]): [string, string] => [
      `${prefix}.${key}`,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]);
  const template = { image: prompt.image, text: prompt.text };
  // Adapters may begin with a run, but those that are there must stay as they are.
  const adapters = lora && {
    rank: lora.rank,
    alpha: lora.alpha,
    targets: [...lora.targets].sort().join(' '),
    rslora: lora.rslora ?? false,
  };
  return new Map([
    ...entries('model.vision', vision),
    ['model.join', String(joined)],
    ...entries('model.llm', rows ? { vocabulary, ...language } : language),
    ...entries('model.lora', adapters ?? {}),
    ['data.transform', transform],
    ...entries('template', template),
  ]);
}

/**
 * What a run that begins anew starts from, checked; undefined where that is nothing.
 * @throws TristageError those of openParent and checkParent
 */
export async function checkedParent(config: RunConfig, registry: Registry): Promise<Parent | undefined> {
  if (config.init === undefined) return undefined;
  const parent = await openParent(config.init.from, { registry });
  checkParent(config, parent);
  return parent;
}
