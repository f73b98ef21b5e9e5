/** From a run file to a checked run: preset and stage defaults applied, environment variables put in, every value with its origin. */

import { isAbsolute, relative } from 'node:path';
import { cacheDir, packageRoot } from '../core/paths.ts';
import { withSourceNames } from './aliases.ts';
import { type Environment, expandPath } from './environment.ts';
import { type ConfigIssue, configErrors } from './errors.ts';
import { issuesOf } from './issues.ts';
import { type LoadOptions, loadTree } from './load.ts';
import { meanBatch } from './mixture.ts';
import { COMMON_RULES, type Rule } from './rules.ts';
import { type RunConfig, runSchema, type SchemaNames, type SourceDeclaration } from './schema.ts';
import type { TrainableGroup } from './schema-train.ts';
import {
  type ConfigNode,
  describeOrigin,
  describePath,
  fromPlain,
  nearestOrigin,
  nodeAt,
  type Origin,
  overlay,
  type Path,
  type Plain,
  replaceAt,
  toPlain,
  withoutNulls,
} from './tree.ts';
import { forEachPath } from './walk.ts';

/** What the configuration must know of a stage. */
export interface StageDefaults {
  name: string;
  /** What trains when the file does not say. */
  trains: readonly TrainableGroup[];
}

/** Everything that a run file may name, handed in by the caller. */
export interface Vocabulary {
  stages: readonly StageDefaults[];
  sources: readonly SourceDeclaration[];
  /** Name -> the keys of `model` that the preset fills. */
  presets: Readonly<Record<string, Plain>>;
  /** Rules beside the common ones, such as those of stages. */
  rules?: readonly Rule[];
}

export interface ResolveOptions extends LoadOptions {
  vocabulary: Vocabulary;
  environment?: Environment;
}

/** A checked run. */
export interface ResolvedConfig {
  /** Complete, with every default. */
  config: RunConfig;
  /** Where each leaf came from, by dotted path. */
  origins: ReadonlyMap<string, Origin>;
}

/** The names that the schema is closed over. */
export function schemaNames(vocabulary: Vocabulary): SchemaNames {
  return {
    stages: vocabulary.stages.map((stage) => stage.name),
    sources: vocabulary.sources,
    presets: Object.keys(vocabulary.presets),
  };
}

/**
 * Reads and checks a run file.
 * @param file YAML file; messages name it as given
 * @throws TristageError of kind `config` with every fault at once (see configErrors)
 */
export function resolveConfig(file: string, options: ResolveOptions): ResolvedConfig {
  return checkTree(loadTree(file, options), options);
}

/**
 * Checks a tree that was read or built.
 * @throws TristageError of kind `config` with every fault at once
 */
export function checkTree(written: ConfigNode, options: ResolveOptions): ResolvedConfig {
  const { vocabulary } = options;
  const schema = runSchema(schemaNames(vocabulary));
  const named = withSourceNames(withoutNulls(written), vocabulary.sources);
  const complete = withMeanBatch(withStageDefaults(withPreset(named, vocabulary), vocabulary));
  const { tree, issues } = withEnvironment(schema, complete, withFolders(options.environment ?? process.env));
  const parsed = schema.safeParse(toPlain(tree));
  if (!parsed.success) issues.push(...issuesOf(schema, tree, parsed.error.issues));
  else issues.push(...brokenRules(parsed.data, tree, [...COMMON_RULES, ...(vocabulary.rules ?? [])]));
  if (issues.length > 0 || !parsed.success) throw configErrors(issues.sort(byPlace));
  return { config: parsed.data, origins: originsOf(parsed.data, tree) };
}

/** Lays what the file says about the model over what its preset says. */
function withPreset(tree: ConfigNode, { presets }: Vocabulary): ConfigNode {
  const named = nodeAt(tree, ['model', 'preset']);
  const name = named?.kind === 'scalar' ? String(named.value) : '';
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  const model = nodeAt(tree, ['model']);
  if (preset === undefined || model === undefined) return tree;
  return replaceAt(tree, ['model'], overlay(fromPlain(preset, { kind: 'preset', name }), model));
}

function withStageDefaults(tree: ConfigNode, { stages }: Vocabulary): ConfigNode {
  const named = nodeAt(tree, ['stage']);
  const stage = stages.find(({ name }) => named?.kind === 'scalar' && named.value === name);
  const train = nodeAt(tree, ['train']);
  if (stage === undefined || train?.kind !== 'map' || train.entries.has('trainable')) return tree;
  return replaceAt(tree, ['train', 'trainable'], fromPlain([...stage.trains], { kind: 'preset', name: stage.name }));
}

/** A mixture that is drawn batch by batch has batches of its own; `globalBatch` is then their mean, for whoever plans and reports. */
function withMeanBatch(tree: ConfigNode): ConfigNode {
  const unit = nodeAt(tree, ['data', 'mixture', 'unit']);
  const sources = nodeAt(tree, ['data', 'mixture', 'sources']);
  const train = nodeAt(tree, ['train']);
  if (!(unit?.kind === 'scalar' && unit.value === 'batch' && sources?.kind === 'list')) return tree;
  if (train?.kind !== 'map' || train.entries.has('globalBatch')) return tree;
  const lines = (toPlain(sources) as unknown[]).filter((line) => typeof line === 'object' && line !== null);
  return replaceAt(tree, ['train', 'globalBatch'], fromPlain(meanBatch(lines), { kind: 'default' }));
}

type Schema = ReturnType<typeof runSchema>;

/** What a run may refer to: the environment, and the folders of cache and package even where no variable moves them. */
function withFolders(environment: Environment): Environment {
  const found = { TRISTAGE_CACHE_DIR: cacheDir(environment), TRISTAGE_PACKAGE_DIR: packageFolder() };
  return { ...environment, ...found };
}

/** Relative where it lies in the current directory, as every other path of a run does. */
function packageFolder(): string {
  const root = packageRoot();
  const path = relative('', root);
  return path.startsWith('..') || isAbsolute(path) ? root : path || '.';
}

function withEnvironment(schema: Schema, start: ConfigNode, environment: Environment) {
  const issues: ConfigIssue[] = [];
  let tree = start;
  forEachPath(schema, toPlain(start), (path, text) => {
    const node = nodeAt(start, path);
    if (node === undefined) return;
    const result = expandPath(text, environment);
    if ('text' in result) tree = replaceAt(tree, path, { kind: 'scalar', origin: node.origin, value: result.text });
    else issues.push({ ...result, where: describeOrigin(node.origin) });
  });
  return { tree, issues };
}

function brokenRules(config: RunConfig, tree: ConfigNode, rules: readonly Rule[]): ConfigIssue[] {
  return rules
    .flatMap((rule) => rule(config))
    .map(({ path, ...issue }) => ({
      ...issue,
      code: 'E_CONFIG_RULE',
      where: describeOrigin(nearestOrigin(tree, path)),
    }));
}

/** By file, then by line and column as numbers. */
function byPlace(a: ConfigIssue, b: ConfigIssue): number {
  return a.where.localeCompare(b.where, 'en', { numeric: true });
}

function originsOf(config: RunConfig, tree: ConfigNode): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  const descend = (value: unknown, path: Path): void => {
    const scalars = Array.isArray(value) && value.every((item) => typeof item !== 'object');
    if (typeof value !== 'object' || value === null || scalars) {
      origins.set(describePath(path), nodeAt(tree, path)?.origin ?? { kind: 'default' });
      return;
    }
    for (const [key, child] of Object.entries(value))
      descend(child, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  descend(config, []);
  return origins;
}
