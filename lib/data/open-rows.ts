/** Samples from rows, wherever the rows are kept. */

import { createHash, type Hash } from 'node:crypto';
import { isAbsolute, join, relative, sep } from 'node:path';
import { sha256 } from '../core/hash.ts';
import { plainTar } from '../formats/tar-gzip.ts';
import { readImageSize } from './image-bytes.ts';
import { type Rejection, rejectionNotes } from './rejections.ts';
import type { KnownRow, RowImage, RowPlan, SourceRow } from './rows.ts';
import type { EncodedImage, Sample } from './sample.ts';
import type { OpenSource } from './source.ts';

/** Rows at any place. */
export interface RowStore {
  readonly length: number;
  /** See {@link createRowHash}. */
  readonly hash: string;
  /** What is not among the rows. */
  readonly rejections: readonly Rejection[];
  /** As `OpenSource.shards`. */
  readonly shards?: readonly number[] | undefined;
  /** @throws RangeError outside, TristageError of kind `data` when the row cannot be read */
  row(index: number): Promise<SourceRow<unknown>>;
}

/** Image objects that are remembered, so that samples of one image that are asked for together share one. */
const SHARED_IMAGES = 1024;

/** The source over a store of its rows. */
export function openRows(plan: RowPlan, store: RowStore): OpenSource {
  const imageOf = sharedImages(plan.root);
  const { texts } = plan;
  return {
    name: plan.name,
    length: store.length,
    fingerprint: sha256(JSON.stringify([store.hash, plan.sampleKey])),
    notes: rejectionNotes(store.rejections),
    leftOut: store.rejections,
    ...(plan.samplesPerImage > 1 ? { samplesPerImage: plan.samplesPerImage } : {}),
    ...(store.shards === undefined ? {} : { shards: store.shards }),
    ...(texts === undefined ? {} : { texts: () => texts() }),
    get: async (index, pick) => {
      const row = await store.row(index);
      const image = row.image === undefined ? undefined : await imageOf(row.image);
      const known = knownRow(row);
      const unknown = plan.sizes && image !== undefined && known.width === undefined;
      return sampleOfRow(plan, { row: unknown ? { ...known, ...(await readImageSize(image)) } : known, image, pick });
    },
  };
}

/** A row as a source sees it, with the size of its image where that is known. */
export function knownRow({ id, record, image }: SourceRow<unknown>): KnownRow<unknown> {
  if (image?.width === undefined || image.height === undefined) return { id, record };
  return { id, record, width: image.width, height: image.height };
}

/** The sample of a row. */
export function sampleOfRow(
  plan: RowPlan,
  {
    row,
    image,
    pick,
  }: { row: KnownRow<unknown>; image: EncodedImage | undefined; pick: Parameters<RowPlan['sample']>[1] },
): Sample {
  return {
    id: row.id,
    source: plan.name,
    task: plan.task,
    ...(image === undefined ? {} : { image }),
    ...plan.sample(row, pick),
  };
}

/** Where the image of a row is; a compressed tar is unpacked into the cache first, once. */
export async function imageOfRow(image: RowImage, root: string): Promise<EncodedImage> {
  const at = (path: string): string => (isAbsolute(path) ? path : join(root, path));
  if ('file' in image) return { path: at(image.file) };
  const { offset, size, name } = image;
  return { path: await plainTar(at(image.shard)), offset, size, name: join(at(image.shard), name) };
}

function sharedImages(root: string): (image: RowImage) => Promise<EncodedImage> {
  const known = new Map<string, Promise<EncodedImage>>();
  return (image) => {
    const key = 'file' in image ? image.file : `${image.shard}\n${image.offset}`;
    const shared = known.get(key) ?? imageOfRow(image, root);
    known.delete(key);
    known.set(key, shared);
    shared.catch(() => known.delete(key));
    if (known.size > SHARED_IMAGES) known.delete(known.keys().next().value as string);
    return shared;
  };
}

/** Digests rows in order; equal for equal rows wherever the root lies. */
export interface RowHash {
  /** @param record as JSON */
  add(row: Omit<SourceRow<unknown>, 'record'>, record: string): void;
  /** Digests of the whole sections so far, from which another may go on. */
  sections(): readonly string[];
  /** Of the rows so far. */
  digest(): string;
}

/** Rows of a section: a digest of all rows is made of theirs, so that an interrupted one can be continued. */
export const SECTION_ROWS = 32768;

/**
 * @param root of the source: paths below it count from there
 * @param sections of rows that were digested before
 */
export function createRowHash(root: string, sections: readonly string[] = []): RowHash {
  const done = [...sections];
  let hash: Hash = createHash('sha256');
  let rows = 0;
  return {
    add({ id, image }, record) {
      hash.update(`${JSON.stringify([id, image === undefined ? null : placeOf(image, root)])} ${record}\n`);
      if (++rows < SECTION_ROWS) return;
      done.push(hash.digest('hex'));
      hash = createHash('sha256');
      rows = 0;
    },
    sections: () => [...done],
    digest: () => sha256([...done, hash.copy().digest('hex')].join('\n')),
  };
}

function placeOf(image: RowImage, root: string): unknown[] {
  return 'file' in image
    ? [belowRoot(image.file, root)]
    : [belowRoot(image.shard, root), image.offset, image.size, image.name];
}

/** A path relative to the root; a place elsewhere counts by its last part. */
export function belowRoot(path: string, root: string): string {
  if (!isAbsolute(path)) return sep === '/' ? path : path.split(sep).join('/');
  // The common case, once for every row.
  if (path.startsWith(`${root}/`) && sep === '/' && !path.includes('..')) return path.slice(root.length + 1);
  const own = relative(root, path).split(sep).join('/');
  return own.startsWith('../') || isAbsolute(own) ? own.slice(own.lastIndexOf('/') + 1) : own;
}
