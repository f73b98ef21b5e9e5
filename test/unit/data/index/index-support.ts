/** Sources of a few lines over a JSONL file, and their indexes. */

import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import type { Box } from '../../../../lib/data/boxes.ts';
import { decodeImage } from '../../../../lib/data/image.ts';
import { type EnsureRequest, openIndexed } from '../../../../lib/data/index/ensure.ts';
import { defineRowSource, type RowImage } from '../../../../lib/data/row-source.ts';
import { jsonLines } from '../../../../lib/formats/json-stream.ts';

/** A line of `rows.jsonl`. */
export interface Line {
  id: string;
  file?: string;
  width?: number;
  height?: number;
  text: string;
  box?: Box;
}

/** One sample for each line of `rows.jsonl`; `loud` changes the wording alone. */
export const lines = defineRowSource({
  name: 'lines',
  summary: 'Lines of a file.',
  kind: 'task',
  tasks: ['caption', 'refer'],
  options: z.object({ skip: z.string().optional(), loud: z.boolean().default(false) }),
  indexOptions: ['skip'],
  inputs: async ({ root }) => [join(root, 'rows.jsonl')],
  async *rows({ root, skip }, scan) {
    for await (const value of jsonLines(join(root, 'rows.jsonl'))) {
      const { id, file, width, height, ...record } = value as Line;
      if (id === skip) {
        scan.reject('skipped', id);
        continue;
      }
      const size = width === undefined || height === undefined ? {} : { width, height };
      const image: RowImage | undefined = file === undefined ? undefined : { file, ...size };
      yield { id, ...(image === undefined ? {} : { image }), record };
    }
  },
  sample: ({ record: { text, box } }, { options: { loud }, task }) => ({
    turns: [{ question: `[${task}]`, answer: loud ? text.toUpperCase() : text }],
    ...(box === undefined ? {} : { boxes: [box] }),
  }),
});

/** The same with two rows to each image. */
export const pairs = defineRowSource({
  name: 'pairs',
  summary: 'Lines of a file, two for each image.',
  kind: 'task',
  tasks: ['caption'],
  options: z.object({}),
  samplesPerImage: 2,
  inputs: async ({ root }) => [join(root, 'rows.jsonl')],
  async *rows({ root }) {
    for await (const value of jsonLines(join(root, 'rows.jsonl'))) {
      const { id, file, ...record } = value as Line;
      yield { id, image: { file: file as string }, record };
    }
  },
  sample: ({ record: { text } }) => ({ turns: [{ question: 'q', answer: text }] }),
});

export async function writeLines(root: string, rows: readonly Line[]): Promise<void> {
  await writeFile(join(root, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** A small picture. */
export async function writePicture(path: string, { width = 8, height = 6 } = {}): Promise<void> {
  const create = { width, height, channels: 3 as const, background: { r: width, g: height, b: 9 } };
  await writeFile(path, await sharp({ create }).jpeg().toBuffer());
}

/** Opens a source through its index; `said` are the messages. */
export async function indexed(
  plan: ReturnType<typeof lines.plan>,
  request: Pick<EnsureRequest, 'place'> & Partial<EnsureRequest>,
) {
  const said: string[] = [];
  const info = (message: string): void => void said.push(message);
  const opened = await openIndexed(plan, { verify: 'headers', decode: decodeImage, tool: 'test 1', info, ...request });
  return { ...opened, said };
}

/** Digests of all files of a folder, by name. */
export async function digestsOf(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(dir)).sort()) {
    found[name] = createHash('sha256')
      .update(await readFile(join(dir, name)))
      .digest('hex');
  }
  return found;
}

/** Lines without images. */
export function textLines(count: number, text = (place: number): string => `text ${place}`): Line[] {
  return Array.from({ length: count }, (_, place) => ({ id: `row-${place}`, text: text(place) }));
}
