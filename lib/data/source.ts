/** What a source is: a public data set in its published form, opened for random access to Samples. */

import type { z } from 'zod';
import { TristageError } from '../core/errors.ts';
import type { Rejection } from './rejections.ts';
import type { Sample } from './sample.ts';
import type { Pick, Task } from './task.ts';

/**
 * How good the labels are. `weak`: machine-made or noisy, such as web captions; `task`: made by people for one task;
 * `instruction`: free conversations. Stages accept kinds.
 */
export type SourceKind = 'weak' | 'task' | 'instruction';

/** What every source is opened with; its own options come beside these. */
export interface SourceRoot {
  /** Folder of the source's files. */
  root: string;
  /** The task that its samples are put to; one of the source's `tasks`. */
  task: Task;
}

/** An open source: any sample at once, none read before it is asked for. */
export interface OpenSource {
  readonly name: string;
  readonly length: number;
  /** Equal fingerprints mean equal samples in equal order; part of what decides the order of training data. */
  readonly fingerprint: string;
  /**
   * Samples that share one image stand in runs of this many: 0 to n-1, n to 2n-1, and so on; the length is a multiple of it. Samples of a run that are asked for
   * together carry one image object, so a packer can show them behind one visual prefix. Absent: every sample has its own image.
   */
  readonly samplesPerImage?: number;
  /**
   * True where samples are meant to be seen from the first to the last, such as easy ones before hard ones, and neighbours are as
   * different as any two. Absent: the order is permuted anew in each epoch.
   */
  readonly inOrder?: boolean;
  /**
   * First sample of each shard, ascending from 0, where samples lie in shards that had best be read one behind the other, such as
   * tars. Absent: any sample is as near as any other.
   */
  readonly shards?: readonly number[];
  /** Facts for people: how many rows were left out and why. */
  readonly notes: readonly string[];
  /** What was left out, by reason; a run enters it into its ledger. */
  readonly leftOut?: readonly Rejection[];
  /**
   * Where a source knows its language: all its questions and answers, or fragments of them cut at spaces, so that each word of a text
   * stands in a fragment with the punctuation that it has there. Templates of tasks and boxes need not be among them.
   */
  texts?(): Iterable<string>;
  /**
   * One sample.
   * @param index 0 <= index < length
   * @param pick draws wordings; the same draws give the same sample
   */
  get(index: number, pick: Pick): Promise<Sample>;
}

/** Makes a file that a source reads from the files of other sources. */
export interface SourceBuild {
  /** Options of the making, beside those of the source. */
  readonly options: z.ZodObject;
  /** The option of the source that names the file. */
  readonly gives: string;
  /**
   * Writes the file; equal inputs and options give equal bytes.
   * @throws TristageError of kind `data` when what it is made from is missing, `config` for bad options
   */
  run(request: SourceBuildRequest): Promise<{ readonly notes: readonly string[] }>;
}

/** What a file is made from. */
export interface SourceBuildRequest {
  /** Folder of the other sources. */
  root: string;
  file: string;
  options: Readonly<Record<string, unknown>>;
  /** Told what is being done. */
  info: (message: string) => void;
}

/** A source as it is registered, before its options are known. */
export interface Source {
  readonly name: string;
  /** Other names under which run files may ask for it, such as the reference's, each with the options that the name stands for. */
  readonly aliases?: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;
  /** One sentence for people. */
  readonly summary: string;
  readonly kind: SourceKind;
  /** True for a source that makes its samples itself: it needs no root. */
  readonly embedded?: boolean;
  /** True where a sample says its own task: that of a line is only the default, and may be left out. */
  readonly taskOptional?: boolean;
  /** True for a source whose rows can be indexed; see `defineRowSource`. */
  readonly indexed?: boolean;
  readonly tasks: readonly Task[];
  /** How to make files of it that its publisher did not release; absent: there is nothing to make. */
  readonly build?: SourceBuild;
  /** URL of a module that gives images with the truth of every patch (see `PatchModule`); absent: the source has none. */
  readonly patches?: string;
  /** Options beside `root`, `task` and `rate`. A field that is a file or folder carries `.meta({ path: true })`. */
  readonly options: z.ZodObject;
  /**
   * Reads the index of the source and checks that it has samples.
   * @param options root, task (default: the first of `tasks`) and the source's own options; other keys are ignored
   * @throws TristageError of kind `data` when files are missing or nothing usable is there, `config` for bad options
   */
  open(options: { root: string; task?: string | undefined } & Record<string, unknown>): Promise<OpenSource>;
}

/** A source as its author writes it: `open` gets checked options of their own type. */
export interface SourceDefinition<Options extends z.ZodObject> extends Omit<Source, 'options' | 'open'> {
  readonly options: Options;
  /**
   * Reads the index of the source.
   * @throws TristageError of kind `data` when files are missing or nothing usable is there
   */
  open(options: SourceRoot & z.output<Options>): Promise<OpenSource>;
}

/**
 * Declares a source; a user's own joins the built-in ones in the same way.
 * @throws RangeError for a name or a list of tasks that cannot be registered
 */
export function defineSource<Options extends z.ZodObject>(definition: SourceDefinition<Options>): Source {
  checkSourceName(definition);
  return {
    ...definition,
    open: async (options) => {
      const { values, task } = checkSourceOptions(definition, options);
      const opened = await definition.open({ ...values, root: options.root, task });
      if (opened.length > 0) return opened;
      throw emptySource(definition.name, { where: options.root, found: 'no usable sample', notes: opened.notes });
    },
  };
}

/** @throws RangeError for a name or a list of tasks that cannot be registered */
export function checkSourceName({ name, tasks }: { name: string; tasks: readonly Task[] }): void {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*\+?$/.test(name)) throw new RangeError(`a source's name is kebab-case, found ${name}`);
  if (tasks.length === 0) throw new RangeError(`source ${name} has no task`);
}

/**
 * The source's own options, with defaults, and the task.
 * @param given root, task and options; keys of others are ignored
 * @throws TristageError E_SOURCE_OPTIONS
 */
export function checkSourceOptions<Options extends z.ZodObject>(
  definition: { name: string; tasks: readonly Task[]; options: Options },
  given: { task?: string | undefined } & Record<string, unknown>,
): { values: z.output<Options>; task: Task } {
  const own = Object.fromEntries(Object.entries(given).filter(([key]) => key in definition.options.shape));
  const parsed = definition.options.safeParse(own);
  if (!parsed.success) throw badOptions(definition.name, parsed.error.issues);
  const wanted = given.task ?? definition.tasks[0];
  const task = definition.tasks.find((name) => name === wanted);
  if (task === undefined) {
    throw badOptions(definition.name, [
      { path: ['task'], message: `${wanted} is none of ${definition.tasks.join(', ')}` },
    ]);
  }
  return { values: parsed.data, task };
}

/** The error of a source that has nothing to give; raised when it is opened, before the first step. */
export function emptySource(
  name: string,
  facts: { where: string; found: string; expected?: string; notes?: readonly string[] },
): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: [`source ${name} gives no samples`, ...(facts.notes ?? [])].join('; '),
    where: facts.where,
    found: facts.found,
    expected: facts.expected ?? 'at least one sample with its image',
    fix: 'check the root folder of the source in the config',
  });
}

interface OptionIssue {
  path: readonly PropertyKey[];
  message: string;
}

function badOptions(name: string, issues: readonly OptionIssue[]): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_SOURCE_OPTIONS',
    message: `options of source ${name}: ${issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
  });
}
