/** The manifest of an index: what it was made of, what it holds, what was left out; and the state of one that is being made. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../core/atomic.ts';
import { SECTION_ROWS } from '../open-rows.ts';
import { badIndex } from './segments.ts';

export const MANIFEST = 'manifest.json';
/** Lies in a folder that is not finished. */
export const STATE = 'state.json';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);

export const rejectionSchema = z.object({ reason: z.string(), count, examples: z.array(z.string()) });

/** Why a row is left out. */
export interface RowFault {
  reason: string;
  where: string;
}

const input = z.object({
  /** Relative to the root, or the last part of a path elsewhere. */
  path: z.string(),
  bytes: count,
  sha256: hash,
  /** True where only samples of the content are digested, as of tars. */
  sampled: z.boolean().optional(),
});

const folder = z.object({
  /** Relative to the root. */
  path: z.string(),
  entries: count,
  /** Of the names of images and folders in it. */
  sha256: hash,
});

const segment = z.object({
  rows: z.int().min(1).max(SECTION_ROWS),
  bytes: z.int().min(1),
  sha256: hash,
  crc: z.array(z.int().min(0).max(0xffffffff)),
  shards: z.object({ first: z.string(), last: z.string(), changes: z.array(z.int().min(1)) }).nullable(),
});

/**
 * How closely images are looked at, from little to all: `quick` reads the headers of image files but nothing of the images in tars,
 * `headers` those too, `decode` every pixel.
 */
export const VERIFY = ['quick', 'headers', 'decode'] as const;
export type Verify = (typeof VERIFY)[number];

const common = {
  format: z.literal(1),
  source: z.string(),
  /** Name and options that decide the rows. */
  key: z.unknown(),
  /** Of the code that read the rows. */
  revision: z.int(),
  verify: z.enum(VERIFY),
  batchRows: z.int().min(1).max(SECTION_ROWS),
  segments: z.array(segment),
  inputs: z.array(input),
};

const manifestSchema = z
  .object({
    ...common,
    /** Name and version of the program that made it. */
    tool: z.string(),
    rows: z.int().min(1),
    /** Of the rows themselves: equal for equal rows, whatever they were read from. */
    fingerprint: hash,
    rejected: count,
    rejections: z.array(rejectionSchema),
    folders: z.array(folder),
  })
  .refine(({ rows, segments }) => segments.reduce((sum, { rows: own }) => sum + own, 0) === rows, {
    message: 'rows is not the sum of its segments',
  })
  .refine(({ segments }) => segments.slice(0, -1).every(({ rows }) => rows === SECTION_ROWS), {
    message: `a segment before the last has not ${SECTION_ROWS} rows`,
  })
  .refine(({ batchRows }) => SECTION_ROWS % batchRows === 0, {
    message: `batchRows does not divide ${SECTION_ROWS}`,
  });

const stateSchema = z.object({
  ...common,
  /** Rows that the source gave for the finished segments, those left out by the checks among them. */
  seen: count,
  /** Id of the last of them. */
  lastId: z.string(),
  sections: z.array(hash),
  /** Counted by the checks; what the source itself leaves out is counted anew. */
  rejections: z.array(rejectionSchema),
  /** Folders of images so far, relative to the root. */
  folders: z.array(z.string()),
});

export type IndexManifest = z.output<typeof manifestSchema>;
export type IndexState = z.output<typeof stateSchema>;
export type InputDigest = z.output<typeof input>;
export type FolderDigest = z.output<typeof folder>;

/**
 * The manifest of a finished index.
 * @returns undefined when the folder has none
 * @throws TristageError E_INDEX for one that is damaged or of another format
 */
export async function readManifest(dir: string): Promise<IndexManifest | undefined> {
  const path = join(dir, MANIFEST);
  const value = await readJson(path);
  if (value === undefined) return undefined;
  const parsed = manifestSchema.safeParse(value.json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badIndex(path, `${issue?.path.join('.') || 'manifest'}: ${issue?.message}`, 'a manifest of format 1');
}

/** The state of an unfinished index; undefined where there is none that can be used. */
export async function readState(dir: string): Promise<IndexState | undefined> {
  const value = await readJson(join(dir, STATE)).catch(() => undefined);
  const parsed = stateSchema.safeParse(value?.json);
  return parsed.success ? parsed.data : undefined;
}

async function readJson(path: string): Promise<{ json: unknown } | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw badIndex(path, (error as NodeJS.ErrnoException).code ?? String(error), 'a readable file', error);
  }
  try {
    return { json: JSON.parse(text) as unknown };
  } catch (error) {
    throw badIndex(path, error instanceof Error ? error.message : String(error), 'JSON', error);
  }
}

/** Writes the manifest or the state of a folder. */
export async function writeRecord(dir: string, name: typeof MANIFEST | typeof STATE, record: object): Promise<void> {
  await writeFileAtomic(join(dir, name), `${JSON.stringify(record, null, 2)}\n`);
}
