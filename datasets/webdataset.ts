/**
 * Your own data in tars (the WebDataset convention): an image beside a caption, or beside a record as docs/how-to/own-data.md
 * explains it.
 */

import { z } from 'zod';
import { type OwnRecord, ownWording, readRecord, rowOfRecord, sampleOfRecord } from '../lib/data/own-record.ts';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import { badSample } from '../lib/data/sample.ts';
import { TASKS, type Task } from '../lib/data/task.ts';
import { type WebSample, webRows, webShards } from './web-shards.ts';

const NAME = 'webdataset';

const options = z.object(ownWording);

/** The image is the member beside the record, and the name that of the row. */
type TarRecord = Omit<OwnRecord, 'image' | 'id'>;

/** One sample for each image, or for each record of a list. */
export const webdataset = defineRowSource({
  name: NAME,
  summary: 'Your own data in tars: images beside captions, or beside records with turns and boxes.',
  kind: 'task',
  tasks: ['caption', ...TASKS.filter((task) => task !== 'caption')],
  taskOptional: true,
  options,
  indexOptions: ['task'],
  revision: 2,
  sizes: true,
  inputs: ({ root }) => webShards(root),
  rows: ({ root, task }, scan) => ownRows({ root, task }, scan),
  sample({ id, record, width, height }, { options: { wording, rounding }, task, pick }) {
    const size = width === undefined || height === undefined ? undefined : { width, height };
    const made = rowOfRecord(record, { usual: task, size });
    if ('row' in made) return sampleOfRecord(made.row, { wording, rounding, pick });
    throw badSample({ id, source: NAME }, made.faults, 'boxes inside the image');
  },
});

/** Rows under the names that their records give them; one that stands twice is left out. */
async function* ownRows(
  { root, task }: { root: string; task: Task },
  scan: RowScan,
): AsyncIterable<SourceRow<TarRecord>> {
  const ids = new Set<string>();
  const found = webRows<OwnRecord>(
    { root, needs: ['json', 'txt'], own: true, record: (sample, reject) => recordOf(sample, { task, reject }) },
    scan,
  );
  for await (const {
    id: place,
    record: { id = place, image: _, ...record },
    ...rest
  } of found) {
    // Places never repeat; only given names need to be remembered.
    if (id !== place && ids.has(id)) {
      scan.reject('invalid record', `${place}: id: ${id} stands twice`);
      continue;
    }
    if (id !== place) ids.add(id);
    yield { id, ...rest, record };
  }
}

/** A `.json` with turns is a record; any other has a caption, or the `.txt` has. */
function recordOf(
  { columns, caption, hasImage }: WebSample & { hasImage: boolean },
  { task, reject }: { task: Task; reject: (reason: string, detail: string) => undefined },
): OwnRecord | undefined {
  if (columns['turns'] === undefined) {
    if (!hasImage) return reject('no image', 'a caption alone');
    if (caption === undefined || caption.trim() === '') return reject('no caption', 'neither turns nor a caption');
    return { task: 'caption', turns: [{ answer: caption.trim() }] };
  }
  if (columns['image'] !== undefined) return reject('invalid record', 'image: it is the member beside the record');
  // Records are checked as if they named the image beside them.
  const read = readRecord(hasImage ? { ...columns, image: 'beside' } : columns, task);
  return 'faults' in read ? reject('invalid record', read.faults) : read.record;
}
