/**
 * Sources over published files, written as rows: what the annotation files say, one small record for each sample. Rows are read once,
 * in order; samples are then made from any row at any time.
 */

import { z } from 'zod';
import { openInMemory } from './row-memory.ts';
import type { KnownRow, RowPlan, RowSample, RowScan, SourceRow } from './rows.ts';
import { checkSourceName, checkSourceOptions, type Source, type SourceKind, type SourceRoot } from './source.ts';
import type { Pick as Draw, Task } from './task.ts';

export type { KnownRow, RowFile, RowImage, RowMember, RowSample, RowScan, SourceRow } from './rows.ts';

/** A source as its author writes it. */
export interface RowSourceDefinition<Options extends z.ZodObject, Row> {
  name: string;
  /** As `Source.aliases`. */
  aliases?: NonNullable<Source['aliases']>;
  /** As `Source.build`. */
  build?: NonNullable<Source['build']>;
  /** One sentence for people. */
  summary: string;
  kind: SourceKind;
  tasks: readonly Task[];
  /** As `Source.taskOptional`. */
  taskOptional?: boolean;
  /** Options beside `root`, `task` and `rate`. A field that is a file or folder carries `.meta({ path: true })`. */
  options: Options;
  /**
   * Options that decide which rows there are, `task` among them where it does; a change of any other keeps the index. Default: all
   * of the source's own options.
   */
  indexOptions?: readonly (Extract<keyof z.output<Options>, string> | 'task')[];
  /** Raise it when `rows` gives other rows for the same files; default 1. */
  revision?: number;
  /** Rows that share an image stand in runs of this many; see `OpenSource.samplesPerImage`. */
  samplesPerImage?: number;
  /** True where `sample` needs width and height and the annotations do not give them: they are read from the image's header. */
  sizes?: boolean;
  /**
   * The annotation files (absolute paths) that decide the rows; their contents are part of the fingerprint. Tars with images belong
   * here where rows are read from them. A folder stands for the names and sizes of its files.
   * @throws TristageError of kind `data`, such as `emptySource`, where they are missing
   */
  inputs(options: SourceRoot & z.output<Options>): Promise<readonly string[]>;
  /** Every usable row in an order that is always the same; streams, so that memory does not grow with the files. */
  rows(options: SourceRoot & z.output<Options>, scan: RowScan): AsyncIterable<SourceRow<Row>>;
  /**
   * What is trained on.
   * @throws TristageError E_SAMPLE (`badSample`) for a row that cannot be used
   */
  sample(row: KnownRow<Row>, context: SampleContext<Options>): RowSample;
  /** As `OpenSource.texts`. */
  texts?(options: SourceRoot & z.output<Options>): Iterable<string>;
}

/** What `sample` gets beside the row. */
export interface SampleContext<Options extends z.ZodObject> {
  options: z.output<Options>;
  task: Task;
  /** Draws wordings. */
  pick: Draw;
}

/** A source whose rows can be indexed. */
export interface RowSource extends Source {
  /**
   * The rows with these options, nothing read yet.
   * @throws TristageError E_SOURCE_OPTIONS
   */
  plan(options: SourceRequest): RowPlan;
}

/** As `Source.open` takes it. */
export type SourceRequest = Parameters<Source['open']>[0];

/** True for a source that {@link defineRowSource} made. */
export function isRowSource(source: Source): source is RowSource {
  return source.indexed === true && 'plan' in source;
}

/**
 * Declares a source over published files. Opened directly its rows are held in memory; commands index them on disk first.
 * @throws RangeError for a name or a list of tasks that cannot be registered
 */
export function defineRowSource<Options extends z.ZodObject, Row>(
  definition: RowSourceDefinition<Options, Row>,
): RowSource {
  checkSourceName(definition);
  const { name, aliases = {}, build, summary, kind, tasks, taskOptional = false, options } = definition;
  const plan = (request: SourceRequest): RowPlan => planOf(definition, request);
  return {
    name,
    aliases,
    indexed: true,
    summary,
    kind,
    tasks,
    taskOptional,
    options,
    ...(build === undefined ? {} : { build }),
    plan,
    open: async (request) => openInMemory(plan(request)),
  };
}

function planOf<Options extends z.ZodObject, Row>(
  definition: RowSourceDefinition<Options, Row>,
  request: SourceRequest,
): RowPlan {
  const { values, task } = checkSourceOptions(definition, request);
  const all: SourceRoot & z.output<Options> = { ...values, root: request.root, task };
  const { name, revision = 1, indexOptions = Object.keys(definition.options.shape), texts } = definition;
  const named = (keys: readonly string[]): [string, unknown][] =>
    keys.map((key) => [key, all[key as keyof typeof all]]);
  const paths = Object.keys(definition.options.shape).filter((key) => isPath(definition.options.shape[key]));
  const wording = Object.keys(definition.options.shape).filter((key) => !paths.includes(key));
  const deciding = indexOptions.filter((key) => !paths.includes(key));
  return {
    name,
    root: request.root,
    task,
    samplesPerImage: definition.samplesPerImage ?? 1,
    sizes: definition.sizes ?? false,
    revision,
    indexKey: [name, named(deciding.sort())],
    sampleKey: [name, named([...wording.sort(), 'task'])],
    places: [request.root, ...paths.sort().map((key) => all[key as keyof typeof all])],
    inputs: () => definition.inputs(all),
    rows: (scan) => definition.rows(all, scan),
    sample: (row, pick) => definition.sample(row as KnownRow<Row>, { options: values, task, pick }),
    ...(texts === undefined ? {} : { texts: () => texts(all) }),
  };
}

/** Whether an option is a place on a disk, which says nothing of what is there; the mark may stand inside wrappers and lists. */
function isPath(field: unknown): boolean {
  if (!(field instanceof z.ZodType)) return false;
  if (field.meta()?.['path'] === true) return true;
  if (field instanceof z.ZodArray) return isPath(field.element);
  const wrapped = field instanceof z.ZodOptional || field instanceof z.ZodDefault || field instanceof z.ZodNullable;
  return wrapped && isPath(field.unwrap());
}
