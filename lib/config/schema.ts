/**
 * The schema of a run file: every key with its type, range, default and meaning. It is closed over the names of stages,
 * sources and presets that the caller hands in, so that a user's own source is checked like a built-in one.
 */

import { z } from 'zod';
import { dataSchema, mixtureLineKeys } from './schema-data.ts';
import { evalLineKeys, evalSchema } from './schema-eval.ts';
import { modelSchema, path } from './schema-model.ts';
import { trainSchema } from './schema-train.ts';
import type { Plain } from './tree.ts';

/** What the schema must know of a source. */
export interface SourceDeclaration {
  name: string;
  /** Other names, each with the options that it stands for. */
  aliases?: Readonly<Record<string, Readonly<Record<string, Plain>>>>;
  /** Tasks that its samples can have. */
  tasks: readonly string[];
  /** True where a sample says its own task, so that a line need not name one. */
  taskOptional?: boolean;
  /** True when it needs no files, so that root may be left out. */
  embedded?: boolean;
  /** True when its rows are indexed, so that an index may be named. */
  indexed?: boolean;
  /** Its own options. A field that is a file or folder carries `.meta({ path: true })`. */
  options: z.ZodObject;
}

/** What the schema is closed over. */
export interface SchemaNames {
  stages: readonly string[];
  sources: readonly SourceDeclaration[];
  presets: readonly string[];
}

/** One line of `data.mixture.sources`, with the options of its source. */
export interface SourceConfig {
  source: string;
  root: string;
  index?: string | undefined;
  task?: string | undefined;
  rate: number;
  batch?: number | undefined;
  cap?: number | undefined;
  window: number;
  badShare: number;
  [option: string]: unknown;
}

/** One line of `eval.sources`. */
export interface EvalSourceConfig {
  source: string;
  root: string;
  index?: string | undefined;
  task?: string | undefined;
  samples: number;
  [option: string]: unknown;
}

const engine = z
  .strictObject({
    backend: z
      .enum(['auto', 'torch', 'tensorflow'])
      .default('auto')
      .describe('What computes. auto: the first of torch, tensorflow that works; a named one never falls back.'),
    device: z
      .enum(['auto', 'cpu', 'cuda'])
      .default('auto')
      .describe('Where it computes. auto: cuda where there is one.'),
    precision: z
      .enum(['float32', 'bf16'])
      .default('float32')
      .describe(
        'bf16: matrices that do not train lie in bfloat16, which halves their memory; on CUDA the torch engine computes in it too. Weights that train stay float32.',
      ),
    memory: z
      .number()
      .positive()
      .max(1_000_000)
      .optional()
      .describe(
        'Gigabytes that training may take, in main memory or on the GPU; a step that would take more is cut into smaller passes. Default: what is free, for train.microBatch: auto.',
      ),
    threads: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe('CPU threads of the engine. Default: the physical share of this process.'),
  })
  .describe('Which engine computes, and where.');

const indexFolder = path(
  'Index of the source, as `tristage prepare` makes it. Default: one in data.cache, made where it is missing.',
);

/** @param keys what the line has beside the source's own options */
function sourceLine(source: SourceDeclaration, keys: Record<string, z.ZodType>): z.ZodObject {
  const [first, ...rest] = source.tasks;
  const task = z.enum([first ?? '', ...rest]).describe('Which task its samples are put to.');
  return z.strictObject({
    source: z.literal([source.name, ...Object.keys(source.aliases ?? {})]).describe('Name of the source.'),
    root: source.embedded
      ? path('Has no effect: this source makes its samples itself.').default('.')
      : path('Folder of the source’s files.'),
    ...(source.indexed === true ? { index: indexFolder.optional() } : {}),
    task: source.tasks.length > 1 && source.taskOptional !== true ? task : task.default(first ?? ''),
    ...keys,
    ...source.options.shape,
  });
}

/** One line of a list of sources: which keys it may have depends on its source. */
function linesOf<Line>({ sources }: SchemaNames, keys: Record<string, z.ZodType>): z.ZodType<Line> {
  const lines = sources.map((source) => sourceLine(source, keys)) as [z.ZodObject, ...z.ZodObject[]];
  return z.discriminatedUnion('source', lines) as z.ZodType<Line>;
}

/**
 * The schema of a complete run: after `extends`, `--set`, preset and stage have been laid over one another.
 * @param names stages, sources and presets that may be named
 */
export function runSchema(names: SchemaNames) {
  const source = linesOf<SourceConfig>(names, mixtureLineKeys);
  const asked = linesOf<EvalSourceConfig>(names, evalLineKeys);
  return z
    .strictObject({
      $schema: z.string().optional().describe('Where editors find the JSON Schema; has no other effect.'),
      version: z.literal(1).describe('Version of this format.'),
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
        .describe('Name of the run: letters, digits, dots, hyphens, underscores.'),
      stage: z
        .enum(names.stages)
        .describe('Which stage this is: it says what may train and which kinds of source are allowed.'),
      plugins: z
        .array(z.string().min(1))
        .max(32)
        .optional()
        .describe('JavaScript modules with sources and stages of your own, relative to this file. They are executed.'),
      engine: engine.prefault({}),
      model: modelSchema(names.presets),
      init: z
        .strictObject({ from: path('Run folder or checkpoint whose weights this run starts from.') })
        .optional()
        .describe('Start from another run.'),
      data: dataSchema(source),
      train: trainSchema,
      eval: evalSchema(asked).optional(),
    })
    .describe('A tristage run.');
}

/** A complete, checked run. */
export type RunConfig = z.output<ReturnType<typeof runSchema>>;
