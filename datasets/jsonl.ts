/** Your own data: JSON lines, one record for each sample, with images beside them. docs/how-to/own-data.md explains the record. */

import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { TristageError } from '../lib/core/errors.ts';
import { readImageSize } from '../lib/data/image-bytes.ts';
import { needsSize, type OwnRow, ownWording, readRecord, rowOfRecord, sampleOfRecord } from '../lib/data/own-record.ts';
import { defineRowSource, type SourceRow } from '../lib/data/row-source.ts';
import { emptySource, type SourceRoot } from '../lib/data/source.ts';
import { TASKS } from '../lib/data/task.ts';
import { numberedLines } from './numbered-lines.ts';

const NAME = 'jsonl';
/** Faulty lines that an error lists. */
const MOST_FAULTS = 10;

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe('A file of records. Default: every .jsonl file in root, in the order of their names.'),
  images: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe('Folder that the images of the records are relative to. Default: root.'),
  invalid: z
    .enum(['stop', 'skip'])
    .default('stop')
    .describe(
      'What becomes of lines that break the rules and of records whose image is missing: an error that lists them, or a count.',
    ),
  ...ownWording,
});

type Chosen = SourceRoot & z.output<typeof options>;

/** One sample for each line. */
export const jsonl = defineRowSource({
  name: NAME,
  summary: 'Your own data: JSON lines with image, task, turns and boxes.',
  kind: 'task',
  tasks: ['conversation', ...TASKS.filter((task) => task !== 'conversation')],
  taskOptional: true,
  options,
  indexOptions: ['annotations', 'images', 'invalid', 'task'],
  inputs: (chosen) => filesOf(chosen),
  async *rows(chosen, scan): AsyncIterable<SourceRow<OwnRow>> {
    const faults: string[] = [];
    const ids = new Set<string>();
    for (const path of await filesOf(chosen)) {
      for await (const { text, line } of numberedLines(path)) {
        const found = await rowOfLine(text, { path, line, chosen });
        const id = 'row' in found ? found.row.id : '';
        if ('row' in found && !ids.has(id)) {
          ids.add(id);
          yield found.row;
          continue;
        }
        const where = `${path}:${line}`;
        const fault = 'row' in found ? `id: ${id} stands twice` : found.faults;
        if (chosen.invalid === 'skip') scan.reject('invalid record', `${where}: ${fault}`);
        else if (faults.push(`${where}: ${fault}`) >= MOST_FAULTS) throw badLines(faults);
      }
    }
    if (faults.length > 0) throw badLines(faults);
  },
  sample: ({ record }: { record: OwnRow }, { options: { wording, rounding }, pick }) =>
    sampleOfRecord(record, { wording, rounding, pick }),
});

async function filesOf({ annotations, root }: Chosen): Promise<string[]> {
  if (annotations !== undefined) return [resolve(root, annotations)];
  const names = await readdir(root).catch((): string[] => []);
  const files = names.filter((name) => name.endsWith('.jsonl')).sort();
  if (files.length === 0)
    throw emptySource(NAME, { where: root, found: 'no .jsonl file', expected: 'a file of records' });
  return files.map((name) => join(root, name));
}

async function rowOfLine(
  text: string | undefined,
  { path, line, chosen }: { path: string; line: number; chosen: Chosen },
): Promise<{ row: SourceRow<OwnRow> } | { faults: string }> {
  const { root, images = root, task: usual } = chosen;
  const value = text === undefined ? undefined : parsed(text);
  if (value === undefined) return { faults: text === undefined ? 'no UTF-8, or too long' : 'no JSON' };
  const read = readRecord(value, usual);
  if ('faults' in read) return read;
  const { record } = read;
  const file = record.image === undefined ? undefined : resolve(images, record.image);
  const size = file !== undefined && needsSize(record) ? await sizeOf(file) : undefined;
  const there = file === undefined || size !== undefined || (!needsSize(record) && (await isFile(file)));
  if (!there) return { faults: `image: ${record.image} is missing or no image` };
  const made = rowOfRecord(record, { usual, size });
  if ('faults' in made) return made;
  const id = record.id ?? `${basename(path)}:${line}`;
  const image = file === undefined ? {} : { image: { file: relative(resolve(root), file), ...size } };
  return { row: { id, ...image, record: made.row } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function sizeOf(path: string): Promise<{ width: number; height: number } | undefined> {
  return readImageSize({ path }).catch(() => undefined);
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

function badLines(faults: readonly string[]): TristageError {
  const more = faults.length >= MOST_FAULTS ? '; the rest of the data was not looked at' : '';
  return new TristageError({
    kind: 'data',
    code: 'E_RECORD',
    message: `records that cannot be used${more}`,
    where: (faults[0] as string).slice(0, (faults[0] as string).indexOf(': ')),
    found: faults.join('\n            '),
    expected: 'records as docs/how-to/own-data.md describes them',
    fix: 'mend these lines, or leave them out with invalid: skip',
  });
}
