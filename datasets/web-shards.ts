/** Web data sets as img2dataset writes them: in each tar `KEY.jpg`, `KEY.txt` with the caption, `KEY.json` with the columns. */

import { basename } from 'node:path';
import { badSample, type ImageRef, type Sample } from '../lib/data/sample.ts';
import { emptySource } from '../lib/data/source.ts';
import { openShards, type ShardedSample } from '../lib/formats/tar-samples.ts';

const IMAGES = ['jpg', 'jpeg', 'png', 'webp'] as const;
/** Columns of one sample; more is damage. */
const MOST_JSON_BYTES = 4 << 20;

/** The columns of a sample. */
export type WebRecord = Readonly<Record<string, unknown>>;

/** Samples of all shards that have an image and what else is needed. */
export interface WebShards {
  readonly length: number;
  readonly fingerprint: string;
  readonly notes: readonly string[];
  /** @throws RangeError for an index outside */
  at(index: number): ShardedSample;
}

/**
 * Scans the shards.
 * @param source name of the source, for errors
 * @param root folder of tars, one tar, or a pattern such as `laion/{00000..00041}.tar`
 * @param needs a sample must have one of these members beside its image
 * @throws TristageError of kind data when the shards are missing or hostile, or hold no such sample
 */
export async function openWebShards(
  source: string,
  { root, needs }: { root: string; needs: readonly string[] },
): Promise<WebShards> {
  const shards = await openShards(root);
  const usable: number[] = [];
  for (let index = 0; index < shards.length; index++) {
    const sample = shards.at(index);
    if (imageExtension(sample) !== undefined && needs.some((extension) => sample.has(extension))) usable.push(index);
  }
  const notes: string[] = [];
  const left = shards.length - usable.length;
  if (left > 0) notes.push(`${left} of ${shards.length} samples left out: no image or no ${needs.join(' or ')}`);
  if (shards.loose > 0) notes.push(`${shards.loose} files left out: their names have no key and extension`);
  if (usable.length === 0) {
    const found = `${shards.length} samples in ${shards.shards.length} tars`;
    throw emptySource(source, { where: root, found, expected: `KEY.jpg with KEY.${needs[0]}`, notes });
  }
  return {
    length: usable.length,
    fingerprint: shards.fingerprint,
    notes,
    at(index) {
      const place = usable[index];
      if (place === undefined) throw new RangeError(`${source} has no sample ${index}`);
      return shards.at(place);
    },
  };
}

function imageExtension(sample: ShardedSample): string | undefined {
  return IMAGES.find((extension) => sample.has(extension));
}

/** The identity of a sample: keys alone may repeat between tars. */
export function identityOf(source: string, sample: ShardedSample): Pick<Sample, 'id' | 'source'> {
  return { id: `${basename(sample.shard)}/${sample.key}`, source };
}

/** The image, still encoded. */
export async function webImage(sample: ShardedSample): Promise<ImageRef> {
  const extension = imageExtension(sample) ?? IMAGES[0];
  const bytes = await sample.read(extension);
  return { bytes: bytes ?? new Uint8Array(0), name: sample.nameOf(extension) };
}

/**
 * The columns, or undefined where the sample has no `.json`.
 * @throws TristageError E_SAMPLE when they are no JSON object
 */
export async function webRecord(source: string, sample: ShardedSample): Promise<WebRecord | undefined> {
  const bytes = await sample.read('json');
  if (bytes === undefined) return undefined;
  const refuse = (found: string) =>
    badSample(identityOf(source, sample), `${sample.nameOf('json')}: ${found}`, 'a JSON object of columns');
  if (bytes.length > MOST_JSON_BYTES) throw refuse(`${bytes.length} bytes`);
  let record: unknown;
  try {
    record = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) throw refuse('another kind of value');
  return record as WebRecord;
}

/** The caption of the columns, or of the `.txt` where there is none; undefined when both lack it. */
export async function webCaption(sample: ShardedSample, record: WebRecord | undefined): Promise<string | undefined> {
  const own = record?.['caption'];
  if (typeof own === 'string') return own;
  const bytes = await sample.read('txt');
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
