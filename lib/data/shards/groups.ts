/** Samples of a source in runs that share one image, as they go into shards. */

import { TristageError } from '../../core/errors.ts';
import { tarEntryBytes } from '../../formats/tar-writer.ts';
import type { OwnRecord } from '../own-record.ts';
import { createRejections, type Rejection, type Rejections } from '../rejections.ts';
import { checkSample, type Sample } from '../sample.ts';
import type { OpenSource } from '../source.ts';
import { type ImageMember, imageMember, isSameImage } from './image-member.ts';
import { firstDraw, recordOfSample } from './record-of-sample.ts';

/** An image with the records that speak of it, or one record without an image. */
export interface ShardGroup {
  readonly image?: ImageMember;
  /** A record, or a list of several, as JSON. */
  readonly json: string;
  readonly records: number;
  /** Index of the first sample behind the group. */
  readonly next: number;
  /** Bytes that the group takes in a tar. */
  readonly bytes: number;
  /** What was left out behind the group before. */
  readonly rejected: readonly Rejection[];
}

/** Records of one image that stand in one list; a reader holds a list in memory. */
const MOST_RECORDS = 256;
const MOST_JSON = 1 << 20;

export interface GroupRequest {
  source: OpenSource;
  /** Index of the first sample. */
  from: number;
  signal?: AbortSignal | undefined;
}

interface Run {
  samples: Sample[];
  next: number;
}

type Reject = Rejections['reject'];

/**
 * Every group from an index on, in order.
 * @returns what was left out behind the last group
 */
export async function* shardGroups(request: GroupRequest): AsyncGenerator<ShardGroup, readonly Rejection[]> {
  let rejections = createRejections();
  const reject: Reject = (reason, where) => rejections.reject(reason, where);
  for await (const run of runs(request, reject)) {
    const group = await groupOf(run, reject);
    if (group === undefined) continue;
    yield { ...group, rejected: rejections.list() };
    rejections = createRejections();
  }
  return rejections.list();
}

/** Neighbours with one image. What is rejected is reported before the run in or behind which it stands. */
async function* runs({ source, from, signal }: GroupRequest, reject: Reject): AsyncIterable<Run> {
  let samples: Sample[] = [];
  for (let index = from; index < source.length; index++) {
    signal?.throwIfAborted();
    const sample = await sampleAt(source, index, reject);
    if (sample === undefined) continue;
    const image = samples[0]?.image;
    const joins = image !== undefined && sample.image !== undefined && isSameImage(image, sample.image);
    if (samples.length > 0 && (!joins || samples.length === MOST_RECORDS)) {
      yield { samples, next: index };
      samples = [];
    }
    samples.push(sample);
  }
  if (samples.length > 0) yield { samples, next: source.length };
}

async function sampleAt(source: OpenSource, index: number, reject: Reject): Promise<Sample | undefined> {
  try {
    const sample = await source.get(index, firstDraw);
    checkSample(sample);
    return sample;
  } catch (error) {
    return rejected(error, { reason: 'unusable sample', where: `sample ${index}`, reject });
  }
}

async function groupOf({ samples, next }: Run, reject: Reject): Promise<Omit<ShardGroup, 'rejected'> | undefined> {
  const records: OwnRecord[] = [];
  for (const sample of samples) {
    const made = recordOfSample(sample);
    if ('record' in made) records.push(made.record);
    else reject('no record', `${sample.id}: ${made.fault}`);
  }
  if (records.length === 0) return undefined;
  const json = JSON.stringify(records.length === 1 ? records[0] : records);
  const size = Buffer.byteLength(json);
  if (size > MOST_JSON) {
    for (const { id } of records) reject('record too large', `${id}: ${size} bytes`);
    return undefined;
  }
  const [{ image: ref }] = samples as [Sample];
  try {
    const image = ref === undefined ? undefined : await imageMember(ref);
    const bytes = tarEntryBytes(size) + (image === undefined ? 0 : tarEntryBytes(image.bytes.byteLength));
    return { ...(image === undefined ? {} : { image }), json, records: records.length, next, bytes };
  } catch (error) {
    for (const { id = '' } of records) rejected(error, { reason: 'unreadable image', where: id, reject });
    return undefined;
  }
}

function rejected(
  error: unknown,
  { reason, where, reject }: { reason: string; where: string; reject: Reject },
): undefined {
  if (!(error instanceof TristageError && error.kind === 'data')) throw error;
  reject(reason, `${where}: ${error.where ?? ''}: ${error.found ?? error.message}`);
}
