/** GRIT in miniature: tars with the columns kept, or plain tars beside the published annotations. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { jsonLinesOf, writeContent } from './pictures.ts';
import { writeWebTars } from './web-tars.ts';

type Span = readonly [start: number, end: number, x1: number, y1: number, x2: number, y2: number, score: number];

/** A row as published; ids are larger than 32 bits. */
export interface GritAnnotation {
  id: number;
  url: string;
  caption: string;
  noun_chunks: readonly Span[];
  ref_exps: readonly Span[];
}

const CAPTION = 'a red block beside a blue cup on the floor';
const span = (text: string, place: readonly [number, number, number, number], score: number): Span => {
  const start = CAPTION.indexOf(text);
  return [start, start + text.length, ...place, score];
};

export const GRIT_ROWS: readonly GritAnnotation[] = Array.from({ length: 7 }, (_, place) => {
  const [block, cup] = [[0, 0.1 * place, 0.4, 0.9] as const, [0.5, 0.25, 1, 0.75] as const];
  return {
    id: 5_000_000_000 + 17 * place,
    url: `https://example.org/${place}.jpg`,
    caption: CAPTION,
    noun_chunks: [span('a red block', block, 0.9), span('a blue cup', cup, 0.8), span('the floor', [0, 0, 1, 1], 0.3)],
    ref_exps: [span('a red block beside a blue cup', block, 0.9), span('a blue cup on the floor', cup, 0.8)],
  };
});

const similarities = { clip_similarity_vitb32: 0.3, clip_similarity_vitl14: 0.25 };

/** Tars of img2dataset with the additional columns. */
export function makeGrit(dir: string): Promise<void> {
  const items = GRIT_ROWS.map(({ id, caption, noun_chunks, ref_exps }, seed) => ({
    caption,
    seed,
    columns: { id, noun_chunks, ref_exps, ...similarities },
  }));
  return writeWebTars(dir, items);
}

/**
 * Tars without the columns, and beside them in `annotations` the published parquet in two files, in `jsonl` the JSON lines.
 * @param keep whether the tars kept the id
 */
export async function makeGritApart(dir: string, keep: 'id' | 'url'): Promise<void> {
  const items = GRIT_ROWS.map(({ id, caption }, seed) => ({ caption, seed, columns: keep === 'id' ? { id } : {} }));
  await writeWebTars(dir, items, 3);
  await mkdir(join(dir, 'annotations'));
  writeGritParquet(join(dir, 'annotations/coyo_0_snappy.parquet'), GRIT_ROWS.slice(0, 4));
  writeGritParquet(join(dir, 'annotations/coyo_1_snappy.parquet'), GRIT_ROWS.slice(4));
  const lines = GRIT_ROWS.map((row) => ({ ...row, width: 640, height: 480, ...similarities }));
  await writeContent(join(dir, 'jsonl/grit_coyo.jsonl'), jsonLinesOf(lines));
}

const list = (name: string) =>
  ({ name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' }) as const;
const repeated = { name: 'list', repetition_type: 'REPEATED', num_children: 1 } as const;
const number = { name: 'element', type: 'DOUBLE', repetition_type: 'OPTIONAL' } as const;
const text = (name: string) =>
  ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }) as const;
const spans = (name: string) => [list(name), repeated, list('element'), repeated, number];

/** A file of two row groups and more. */
export function writeGritParquet(filename: string, rows: readonly GritAnnotation[]): void {
  parquetWriteFile({
    filename,
    rowGroupSize: 2,
    schema: [
      { name: 'root', num_children: 5 },
      { name: 'id', type: 'INT64', repetition_type: 'REQUIRED' },
      text('url'),
      text('caption'),
      ...spans('noun_chunks'),
      ...spans('ref_exps'),
    ],
    columnData: [
      { name: 'id', data: rows.map(({ id }) => BigInt(id)) },
      { name: 'url', data: rows.map(({ url }) => url) },
      { name: 'caption', data: rows.map(({ caption }) => caption) },
      { name: 'noun_chunks', data: rows.map(({ noun_chunks }) => noun_chunks) },
      { name: 'ref_exps', data: rows.map(({ ref_exps }) => ref_exps) },
    ],
  });
}
