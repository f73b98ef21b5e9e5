/** Joins run files with what they may name: the registered sources and stages, and the presets of the model. */

import { runJsonSchemaText } from '../config/json-schema.ts';
import { type ResolvedConfig, resolveConfig, schemaNames, type Vocabulary } from '../config/resolve.ts';
import type { RuleIssue } from '../config/rules.ts';
import type { RunConfig } from '../config/schema.ts';
import type { Plain } from '../config/tree.ts';
import type { Source } from '../data/source.ts';
import { PRESET_NAMES, preset } from '../model/presets.ts';
import { type Stage, stageBreaches } from '../train/stage.ts';
import { examRules, featureRules, fitRules } from './train-rules.ts';
import { patchRules } from './vision-rules.ts';

/** Sources and stages that a run may name: the project's own and the user's. */
export interface Registry {
  sources: readonly Source[];
  stages: readonly Stage[];
}

/** A checked run, the file that it came from, and the sources and stages that it may name. */
export interface ResolvedRun extends ResolvedConfig {
  file: string;
  registry: Registry;
}

/** What the configuration is checked against. */
export function vocabularyOf({ sources, stages }: Registry): Vocabulary {
  return {
    sources,
    stages,
    presets: Object.fromEntries(PRESET_NAMES.map((name) => [name, preset(name) as unknown as Plain])),
    rules: [(config) => stageRule(config, { sources, stages })],
  };
}

function stageRule(config: RunConfig, registry: Registry): RuleIssue[] {
  const stage = stageOf(config, registry);
  const sources = config.data.mixture.sources.map(({ source }) => sourceOf(source, registry));
  return [
    ...stageBreaches(stage, { trainable: config.train.trainable ?? stage.trains, sources }),
    ...patchRules(config, { stage, sources }),
    ...examRules(config, stage),
    ...featureRules(config, stage),
    ...fitRules(config, stage),
  ];
}

/** The stage of a checked run. */
export function stageOf(config: Pick<RunConfig, 'stage'>, { stages }: Registry): Stage {
  return stages.find(({ name }) => name === config.stage)!;
}

/** The source of a line of a checked run. */
export function sourceOf(name: string, { sources }: Registry): Source {
  return sources.find((source) => source.name === name)!;
}

/**
 * Reads and checks run files as they stand; modules that they name under `plugins` are not executed (see openRuns).
 * @throws TristageError of kind `config` with every fault of the first file that has any
 */
export function resolveAll(
  files: readonly string[],
  options: { registry: Registry; set?: readonly string[] },
): ResolvedRun[] {
  const { registry, set = [] } = options;
  const vocabulary = vocabularyOf(registry);
  return files.map((file) => ({ file, registry, ...resolveConfig(file, { vocabulary, set }) }));
}

/** The JSON Schema of run files as the text of configs/schema/run.schema.json. */
export function schemaText(registry: Registry): string {
  return runJsonSchemaText(schemaNames(vocabularyOf(registry)));
}
