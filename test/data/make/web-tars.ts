/** Tars as img2dataset writes them: KEY.jpg, KEY.txt, KEY.json with nine digits, shards of five. */

import { join } from 'node:path';
import { type TarEntry, writeTar } from '../../../lib/formats/tar-writer.ts';
import { pictureBytes } from './pictures.ts';

export interface WebItem {
  caption: string;
  /** Further columns. */
  columns?: Readonly<Record<string, unknown>>;
  seed: number;
}

const [WIDTH, HEIGHT] = [64, 48];

/** The entries of one image. */
async function entriesOf(
  { caption, columns = {}, seed }: WebItem,
  { shard, place }: { shard: string; place: number },
): Promise<TarEntry[]> {
  const key = `${shard}${String(place).padStart(4, '0')}`;
  const json = {
    url: `https://example.org/${seed}.jpg`,
    caption,
    key,
    status: 'success',
    error_message: null,
    width: WIDTH,
    height: HEIGHT,
    original_width: 10 * WIDTH,
    original_height: 10 * HEIGHT,
    exif: '{}',
    sha256: '0'.repeat(64),
    ...columns,
  };
  return [
    { name: `${key}.jpg`, content: await pictureBytes({ width: WIDTH, height: HEIGHT, seed }) },
    { name: `${key}.json`, content: JSON.stringify(json) },
    { name: `${key}.txt`, content: caption },
  ];
}

/** Writes items into `00000.tar`, `00001.tar` and so on, with the statistics that lie beside them. */
export async function writeWebTars(dir: string, items: readonly WebItem[], size = 5): Promise<void> {
  for (let start = 0; start < items.length; start += size) {
    const shard = String(start / size).padStart(5, '0');
    const entries = await Promise.all(
      items.slice(start, start + size).map((item, place) => entriesOf(item, { shard, place })),
    );
    await writeTar(join(dir, `${shard}.tar`), entries.flat());
  }
}

/** Items with these captions. */
export function captioned(captions: readonly string[]): WebItem[] {
  return captions.map((caption, seed) => ({ caption, seed }));
}
