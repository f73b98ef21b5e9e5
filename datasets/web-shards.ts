/**
 * Web data sets as img2dataset writes them: in each tar `KEY.jpg`, `KEY.txt` with the caption, `KEY.json` with the columns. In own
 * data `KEY.json` may be a list, a sample for each item, and may stand alone.
 */

import { basename, relative, resolve } from 'node:path';
import { TristageError } from '../lib/core/errors.ts';
import type { RowMember, RowScan, SourceRow } from '../lib/data/row-source.ts';
import { listShards, openShard, type ShardSample } from '../lib/formats/tar-samples.ts';

const IMAGES = ['jpg', 'jpeg', 'png', 'webp'] as const;
/** Columns of one sample; more is damage. */
const MOST_JSON_BYTES = 4 << 20;

/** The columns of a sample. */
export type WebRecord = Readonly<Record<string, unknown>>;

/** What a tar says of one image. */
export interface WebSample {
  /** Empty where the sample has no `.json`. */
  columns: WebRecord;
  /** Of the columns, or of the `.txt` where they have none. */
  caption: string | undefined;
}

export interface WebRowsRequest<Row> {
  /** Folder of tars, one tar, or a pattern such as `laion/{00000..00041}.tar`. */
  root: string;
  /** A sample must have one of these members beside its image. */
  needs: readonly string[];
  /** Whether `.json` may be a list of columns, and samples may lack an image. */
  own?: boolean;
  /**
   * What is kept of a sample.
   * @param reject counts one that cannot be used; undefined is to be returned then
   */
  record(
    sample: WebSample & { hasImage: boolean },
    reject: (reason: string, detail: string) => undefined,
  ): Row | undefined;
}

/** The tars of a root, with absolute paths; their headers and small members decide the rows. */
export async function webShards(root: string): Promise<string[]> {
  return (await listShards(root)).map((path) => resolve(path));
}

/**
 * A row for each sample of all shards, in order. A shard that is damaged or hostile is left out and counted.
 * @throws TristageError of kind data when shards are missing
 */
export async function* webRows<Row>(request: WebRowsRequest<Row>, scan: RowScan): AsyncIterable<SourceRow<Row>> {
  for (const path of await webShards(request.root)) {
    const shard = await openShard(path).catch((error: unknown) => {
      if (!(error instanceof TristageError && error.code.startsWith('E_TAR'))) throw error;
      scan.reject('damaged tar', `${basename(path)}: ${error.found ?? error.message}`);
    });
    if (shard === undefined) continue;
    try {
      for (const { name } of shard.loose) scan.reject('name without key and extension', `${basename(path)}/${name}`);
      for (const sample of shard.samples) {
        yield* await rowsOf(sample, { ...request, path, scan });
      }
    } finally {
      await shard.close();
    }
  }
}

async function rowsOf<Row>(
  sample: ShardSample,
  { root, needs, own = false, record, path, scan }: WebRowsRequest<Row> & { path: string; scan: RowScan },
): Promise<SourceRow<Row>[]> {
  // Keys alone may repeat between tars.
  const key = `${basename(path)}/${sample.key}`;
  const none = (reason: string, detail?: string): [] => {
    scan.reject(reason, detail === undefined ? key : `${key}: ${detail}`);
    return [];
  };
  const image = imageOf(sample, shardName(path, root));
  if (image === undefined && !(own && sample.member('json') !== undefined)) return none('no image');
  if (!needs.some((extension) => sample.member(extension) !== undefined)) return none(`no ${needs.join(' or ')}`);
  const found = await columnsOf(sample, own);
  if (typeof found === 'string') return none('damaged columns', found);
  const text = found.every(({ caption }) => typeof caption === 'string') ? undefined : await textOf(sample);
  return found.flatMap((columns, place) => {
    const id = found.length > 1 ? `${key}:${place + 1}` : key;
    const reject = (reason: string, detail: string): undefined => scan.reject(reason, `${id}: ${detail}`) as undefined;
    const caption = typeof columns['caption'] === 'string' ? columns['caption'] : text;
    const made = record({ columns, caption, hasImage: image !== undefined }, reject);
    if (made === undefined) return [];
    return [image === undefined ? { id, record: made } : { id, image, record: made }];
  });
}

/** Relative where the root is the folder of the tars, so that an index may move with them. */
function shardName(path: string, root: string): string {
  const own = relative(resolve(root), path);
  return own === '' || own.startsWith('..') ? path : own;
}

function imageOf(sample: ShardSample, shard: string): RowMember | undefined {
  for (const extension of IMAGES) {
    const member = sample.member(extension);
    if (member !== undefined) return { shard, ...member };
  }
  return undefined;
}

/** The columns of each sample that shares the image, or what is wrong with them. */
async function columnsOf(sample: ShardSample, own: boolean): Promise<readonly WebRecord[] | string> {
  const member = sample.member('json');
  if (member === undefined) return [{}];
  if (member.size > MOST_JSON_BYTES) return `${member.size} bytes`;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await sample.read('json')));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const list: readonly unknown[] = own && Array.isArray(value) ? value : [value];
  if (list.length === 0) return 'an empty list';
  return list.every(isColumns) ? list : 'another kind of value';
}

function isColumns(value: unknown): value is WebRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The `.txt` beside the image. */
async function textOf(sample: ShardSample): Promise<string | undefined> {
  const member = sample.member('txt');
  if (member === undefined || member.size > MOST_JSON_BYTES) return undefined;
  return new TextDecoder().decode(await sample.read('txt'));
}
