/** Large annotation files that are generated, and what reading them takes. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** Photos that all captions are of. */
const PHOTOS = 50;

/**
 * COCO captions in their official form, written as a stream.
 * @param root new folder
 * @param rows captions; each takes about 290 bytes
 * @returns bytes of the annotation file
 */
export async function writeCaptions(root: string, rows: number): Promise<number> {
  for (const folder of ['annotations', 'train2017']) await mkdir(join(root, folder), { recursive: true });
  const names = Array.from({ length: PHOTOS }, (_, place) => `${String(place + 1).padStart(12, '0')}.jpg`);
  for (const [place, name] of names.entries()) {
    const create = { width: 64 + place, height: 48, channels: 3 as const, background: 'grey' };
    await sharp({ create })
      .jpeg()
      .toFile(join(root, 'train2017', name));
  }
  const path = join(root, 'annotations/captions_train2017.json');
  const out = createWriteStream(path);
  const images = names.map((name, place) => ({ id: place + 1, file_name: name }));
  out.write(`{"info":{},"images":${JSON.stringify(images)},"annotations":[`);
  for (let row = 0; row < rows; row++) {
    const caption = `Sentence ${row} of a photo with ${'many things on a table, '.repeat(9)}and a cat`;
    const text = JSON.stringify({ image_id: (row % PHOTOS) + 1, id: row, caption });
    if (!out.write(row === 0 ? text : `,${text}`)) await once(out, 'drain');
  }
  out.end(']}');
  await once(out, 'close');
  return (await stat(path)).size;
}

/** What a process needed that prepared a source and read from it. */
export interface IndexingCost {
  rows: number;
  /** The most that was resident at any time, in bytes. */
  resident: number;
  /** Samples that were read at random and were what the file says. */
  read: number;
}

/**
 * Indexes captions and reads 1000 samples at random, in a process of its own.
 * @param flags of Node.js
 */
export async function costOfIndexing(root: string, flags: readonly string[] = []): Promise<IndexingCost> {
  const child = spawn(
    process.execPath,
    [...flags, '--import', 'tsx', join(import.meta.dirname, 'index-child.ts'), root],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`indexing ended with status ${status}`);
  return JSON.parse(text) as IndexingCost;
}
