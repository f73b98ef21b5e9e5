/** What rows are, and what is made of them. */

import type { Sample } from './sample.ts';
import type { Pick as Draw, Task } from './task.ts';

/** The image of a row: a file below the root (or anywhere, by an absolute path), or a member of a plain tar. */
export type RowImage = RowFile | RowMember;

/** A file with an image: relative to the root, or absolute. */
export interface RowFile {
  file: string;
  width?: number;
  height?: number;
}

/** An image within a plain tar. */
export interface RowMember {
  /** The tar, relative to root or absolute. */
  shard: string;
  /** First byte of the member's content. */
  offset: number;
  size: number;
  name: string;
  width?: number;
  height?: number;
}

/** What the annotations say of one sample. */
export interface SourceRow<Row> {
  /** Unique within the source. */
  id: string;
  image?: RowImage;
  /** A small plain JSON value. */
  record: Row;
}

/** What `rows` reports beside the rows that it gives. */
export interface RowScan {
  /**
   * Counts what cannot be used.
   * @param reason one of few short phrases, such as `missing image`
   * @param where the row and what is wrong, for people
   */
  reject(reason: string, where: string): void;
  signal?: AbortSignal;
}

/** A row as `sample` gets it; the sizes are those of the image, where `sizes` asks for them or the annotations give them. */
export interface KnownRow<Row> {
  id: string;
  record: Row;
  width?: number;
  height?: number;
}

/** What a sample is beside its identity and image. */
export type RowSample = Pick<Sample, 'turns'> & Partial<Pick<Sample, 'task' | 'boxes' | 'truth'>>;

/** Rows with checked options bound to them: what an index is made of and samples come from. */
export interface RowPlan {
  readonly name: string;
  readonly root: string;
  readonly task: Task;
  readonly samplesPerImage: number;
  readonly sizes: boolean;
  /** Of the code that reads the rows. */
  readonly revision: number;
  /** Decides, with the contents of the inputs and the revision, which rows there are. */
  readonly indexKey: unknown;
  /** Decides, with the rows, what the samples are. */
  readonly sampleKey: unknown;
  /** Where everything lies: root and the options that are paths, which are in none of the keys. */
  readonly places: readonly unknown[];
  inputs(): Promise<readonly string[]>;
  rows(scan: RowScan): AsyncIterable<SourceRow<unknown>>;
  sample(row: KnownRow<unknown>, pick: Draw): RowSample;
  texts?(): Iterable<string>;
}
