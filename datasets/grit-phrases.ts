/** The grounded phrases of a GRIT record: spans of the caption with boxes, checked before they are believed. */

import { type Box, clipBox } from '../lib/data/boxes.ts';
import type { WebRecord } from './web-shards.ts';

/** A span of a caption with its boxes. */
export interface Phrase {
  /** Code points, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly boxes: readonly Box[];
}

/** What makes a record unusable, or unusable for a task. */
export class PhraseError extends Error {}

/** How far, in stored pixels, the aspect ratio of an image may be off before its boxes no longer fit. */
const ASPECT_SLACK = 1.5;
const MARKUP = /<\/?p>|\{<|<delim>/;

/**
 * The caption of a record as code points, since GRIT counts as Python does.
 * @throws PhraseError for no caption, or one that holds box markup
 */
export function captionPoints(caption: string | undefined): string[] {
  if (caption === undefined || caption.trim() === '') throw new PhraseError('no caption');
  if (MARKUP.test(caption)) throw new PhraseError('a caption that holds <p>, {< or <delim>');
  return [...caption];
}

/**
 * Phrases of one column, spans in order, rows of one span joined.
 * @param column `noun_chunks` or `ref_exps`: rows of start, end, x1, y1, x2, y2, score
 * @param minScore rows below it are left out
 * @throws PhraseError for rows of another form, spans outside the caption or boxes without area
 */
export function phrasesOf(
  record: WebRecord,
  { column, points, minScore }: { column: string; points: readonly string[]; minScore: number },
): Phrase[] {
  const spans = new Map<string, { start: number; end: number; boxes: Box[] }>();
  for (const [place, row] of rowsOf(record[column]).entries()) {
    const { start, end, box, score } = readRow(row, `${column}[${place}]`, points.length);
    if (score < minScore) continue;
    const key = `${start} ${end}`;
    const span = spans.get(key) ?? { start, end, boxes: [] };
    span.boxes.push(box);
    spans.set(key, span);
  }
  return [...spans.values()]
    .map((span) => ({ ...span, text: points.slice(span.start, span.end).join('').trim() }))
    .filter(({ text }) => text !== '')
    .sort((one, other) => one.start - other.start || other.end - one.end);
}

/** Columns that were carried along as text hold JSON. */
function rowsOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  let rows = value;
  if (typeof value === 'string') {
    try {
      rows = JSON.parse(value);
    } catch {
      throw new PhraseError(`the text ${JSON.stringify(value.slice(0, 60))} in place of rows`);
    }
  }
  if (!Array.isArray(rows)) throw new PhraseError(`${typeof rows} in place of rows`);
  return rows;
}

function readRow(row: unknown, where: string, length: number): { start: number; end: number; box: Box; score: number } {
  if (!(Array.isArray(row) && row.length === 7 && row.every((value) => Number.isFinite(value)))) {
    throw new PhraseError(`${where}: ${JSON.stringify(row)?.slice(0, 100)}, not seven numbers`);
  }
  const [start, end, x1, y1, x2, y2, score] = row as [number, number, number, number, number, number, number];
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= length)) {
    throw new PhraseError(`${where}: characters ${start} to ${end} of a caption of ${length}`);
  }
  const box = clipBox([x1, y1, x2, y2]);
  if (box === undefined) throw new PhraseError(`${where}: the box [${[x1, y1, x2, y2].join(', ')}]`);
  return { start, end, box, score };
}

/**
 * Expressions that point at one object: one box for the span, and no other span of the same words.
 */
export function uniquePhrases(phrases: readonly Phrase[]): Phrase[] {
  return phrases.filter((phrase) => {
    const same = phrases.filter(({ text }) => text.toLowerCase() === phrase.text.toLowerCase());
    return same.length === 1 && phrase.boxes.length === 1;
  });
}

/** The phrases that do not overlap an earlier one; of two at one place the longer. */
export function apartPhrases(phrases: readonly Phrase[]): Phrase[] {
  const kept: Phrase[] = [];
  for (const phrase of phrases) if (phrase.start >= (kept.at(-1)?.end ?? 0)) kept.push(phrase);
  return kept;
}

/**
 * Boxes are fractions of the image as it was found; img2dataset's modes `border` and `center_crop` change what is on it.
 * @throws PhraseError when the stored image has another aspect ratio
 */
export function checkAspect(record: WebRecord): void {
  const sides = ['width', 'height', 'original_width', 'original_height'].map((key) => record[key]);
  if (!sides.every((side): side is number => typeof side === 'number' && side > 0)) return;
  const [width, height, originalWidth, originalHeight] = sides as [number, number, number, number];
  const off = Math.abs(width * originalHeight - height * originalWidth) / Math.max(originalWidth, originalHeight);
  if (off > ASPECT_SLACK) {
    throw new PhraseError(`an image of ${originalWidth} x ${originalHeight} stored as ${width} x ${height}`);
  }
}
