/**
 * Your own data in tars (the WebDataset convention): an image beside a caption, or beside a record as docs/how-to/own-data.md
 * explains it.
 */

import { z } from 'zod';
import { defineRowSource } from '../lib/data/row-source.ts';
import { badSample } from '../lib/data/sample.ts';
import { TASKS, type Task } from '../lib/data/task.ts';
import { type OwnRecord, ownWording, readRecord, rowOfRecord, sampleOfRecord } from './own-record.ts';
import { type WebSample, webRows, webShards } from './web-shards.ts';

const NAME = 'webdataset';

const options = z.object(ownWording);

/** The usual image of a record is the member beside it, so records say nothing of it. */
type TarRecord = Omit<OwnRecord, 'image'>;

/** One sample for each image. */
export const webdataset = defineRowSource({
  name: NAME,
  summary: 'Your own data in tars: images beside captions, or beside records with turns and boxes.',
  kind: 'task',
  tasks: ['caption', ...TASKS.filter((task) => task !== 'caption' && task !== 'text')],
  options,
  indexOptions: ['task'],
  sizes: true,
  inputs: ({ root }) => webShards(root),
  rows: ({ root, task }, scan) =>
    webRows(
      { root, needs: ['json', 'txt'], record: (sample, reject) => recordOfSample(sample, { task, reject }) },
      scan,
    ),
  sample({ id, record, width, height }, { options: { wording, rounding }, task, pick }) {
    const size = width === undefined || height === undefined ? undefined : { width, height };
    const made = rowOfRecord(record, { usual: task, size });
    if ('row' in made) return sampleOfRecord(made.row, { wording, rounding, pick });
    throw badSample({ id, source: NAME }, made.faults, 'boxes inside the image');
  },
});

/** A `.json` with turns is a record; any other has a caption, or the `.txt` has. */
function recordOfSample(
  { columns, caption }: WebSample,
  { task, reject }: { task: Task; reject: (reason: string, detail: string) => undefined },
): TarRecord | undefined {
  if (columns['turns'] === undefined) {
    if (caption === undefined || caption.trim() === '') return reject('no caption', 'neither turns nor a caption');
    return { task: 'caption', turns: [{ answer: caption.trim() }] };
  }
  if (columns['image'] !== undefined) return reject('invalid record', 'image: it is the member beside the record');
  // Records are checked as if they named their image, which every task that needs one has here.
  const read = readRecord({ ...columns, image: 'beside' }, task);
  if ('faults' in read) return reject('invalid record', read.faults);
  const { image: _, ...record } = read.record;
  return record;
}
