/** Web data sets as img2dataset writes them: in each tar `KEY.jpg`, `KEY.txt` with the caption, `KEY.json` with the columns. */

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
  /**
   * What is kept of a sample.
   * @param reject counts one that cannot be used; undefined is to be returned then
   */
  record(sample: WebSample, reject: (reason: string, detail: string) => undefined): Row | undefined;
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
        const row = await webRow(sample, { ...request, path, scan });
        if (row !== undefined) yield row;
      }
    } finally {
      await shard.close();
    }
  }
}

async function webRow<Row>(
  sample: ShardSample,
  { root, needs, record, path, scan }: WebRowsRequest<Row> & { path: string; scan: RowScan },
): Promise<SourceRow<Row> | undefined> {
  // Keys alone may repeat between tars.
  const id = `${basename(path)}/${sample.key}`;
  const reject = (reason: string, detail?: string): undefined =>
    scan.reject(reason, detail === undefined ? id : `${id}: ${detail}`) as undefined;
  const image = imageOf(sample, shardName(path, root));
  if (image === undefined) return reject('no image');
  if (!needs.some((extension) => sample.member(extension) !== undefined)) return reject(`no ${needs.join(' or ')}`);
  const columns = await columnsOf(sample);
  if (typeof columns === 'string') return reject('damaged columns', columns);
  const own = record({ columns, caption: await captionOf(sample, columns) }, reject);
  return own === undefined ? undefined : { id, image, record: own };
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

/** The columns, or what is wrong with them. */
async function columnsOf(sample: ShardSample): Promise<WebRecord | string> {
  const member = sample.member('json');
  if (member === undefined) return {};
  if (member.size > MOST_JSON_BYTES) return `${member.size} bytes`;
  let columns: unknown;
  try {
    columns = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await sample.read('json')));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const fits = typeof columns === 'object' && columns !== null && !Array.isArray(columns);
  return fits ? (columns as WebRecord) : 'another kind of value';
}

async function captionOf(sample: ShardSample, columns: WebRecord): Promise<string | undefined> {
  const own = columns['caption'];
  if (typeof own === 'string') return own;
  const bytes = await sample.read('txt');
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
