/** Rows of Flickr30k: from the folders of Entities, or from the files of finished strings that MiniGPT-v2 trained on. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Box, parsePhrases } from '../lib/data/boxes.ts';
import type { RowScan, SourceRow } from '../lib/data/row-source.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { recordOf } from './annotation-files.ts';
import { type Annotation, parseAnnotation, parseSentence, type Segment } from './flickr30k-entities.ts';
import type { Photos } from './image-folders.ts';

/** A stretch of a sentence, with boxes where it is a grounded phrase. */
export type Part = [text: string] | [text: string, boxes: Box[]];

/** What is kept of a row: a sentence (for a list of its phrases, or as a grounded caption), a phrase, or finished strings. */
export type FlickrRecord =
  | { sentence: Part[]; list: boolean }
  | { phrase: string; boxes: Box[] }
  | { question?: string; answer: string };

/** What decides the rows of either form. */
export interface FlickrRequest {
  task: string;
  from: 'caption' | 'phrase';
  /** Fewest grounded phrases of a sentence. */
  minPhrases: number;
  photos: Photos;
}

/** The publisher's folders. */
export interface EntityFiles {
  folder: string;
  /** Of the photos, in order. */
  ids: readonly string[];
  /** Sentences that the publisher lists as speaking of something else: `ID NUMBER`, counted from 1. */
  unrelated: ReadonlySet<string>;
}

/** Rows of the publisher's folders, in the order of the ids and of the sentences. */
export async function* entityRows(
  { folder, ids, unrelated }: EntityFiles,
  request: FlickrRequest,
  scan: RowScan,
): AsyncIterable<SourceRow<FlickrRecord>> {
  for (const id of ids) {
    scan.signal?.throwIfAborted();
    const photo = await photoOf(folder, id, { unrelated, scan });
    if (photo === undefined) continue;
    const image = request.photos.take({ names: [`${id}.jpg`], where: id });
    if (image === undefined) continue;
    const rows = request.task === 'detection' && request.from === 'phrase' ? phraseRows : sentenceRows;
    for (const row of rows(photo, request, scan)) yield { ...row, image: { ...image, ...photo.annotation.size } };
  }
}

interface Photo {
  id: string;
  annotation: Annotation;
  lines: readonly Line[];
}

interface Line {
  line: string;
  /** From 1. */
  number: number;
}

async function photoOf(
  folder: string,
  id: string,
  { unrelated, scan }: { unrelated: ReadonlySet<string>; scan: RowScan },
): Promise<Photo | undefined> {
  const sentences = await textOf(join(folder, 'Sentences', `${id}.txt`));
  const xml = await textOf(join(folder, 'Annotations', `${id}.xml`));
  const annotation = xml === undefined ? undefined : parseAnnotation(xml);
  if (sentences === undefined) scan.reject('missing sentences', `Sentences/${id}.txt`);
  if (annotation === undefined) scan.reject('damaged annotation', `Annotations/${id}.xml`);
  if (sentences === undefined || annotation === undefined) return undefined;
  if (annotation.degenerate > 0) scan.reject('box without area', `Annotations/${id}.xml: ${annotation.degenerate}`);
  const lines = sentences.split(/\r?\n/).map((line, place) => ({ line, number: place + 1 }));
  const related = lines.filter(({ line, number }) => {
    const known = unrelated.has(`${id} ${number}`);
    if (known) scan.reject('unrelated sentence', `Sentences/${id}.txt, line ${number}`);
    return !known && line.trim() !== '';
  });
  return { id, annotation, lines: related };
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function* sentenceRows(
  { id, annotation, lines }: Photo,
  { task, minPhrases }: FlickrRequest,
  scan: RowScan,
): Iterable<SourceRow<FlickrRecord>> {
  for (const { line, number } of lines) {
    const segments = segmentsOf({ line, number }, { id, scan });
    if (segments === undefined) continue;
    const sentence = segments.map((segment) => partOf(segment, annotation));
    const grounded = sentence.filter((part) => part.length === 2).length;
    if (grounded >= minPhrases) yield { id: `${id}-${number}`, record: { sentence, list: task === 'detection' } };
    else scan.reject('too few grounded phrases', `Sentences/${id}.txt, line ${number}: ${grounded}`);
  }
}

/** A phrase that several sentences use is asked for once, with the boxes of all that it was used for. */
function* phraseRows(
  { id, annotation, lines }: Photo,
  _: FlickrRequest,
  scan: RowScan,
): Iterable<SourceRow<FlickrRecord>> {
  const chains = new Map<string, Set<string>>();
  for (const line of lines) {
    for (const { text, chain } of segmentsOf(line, { id, scan }) ?? []) {
      if (chain === undefined || !annotation.boxes.has(chain)) continue;
      const phrase = text.toLowerCase();
      chains.set(phrase, (chains.get(phrase) ?? new Set()).add(chain));
    }
  }
  for (const [place, [phrase, own]] of [...chains].entries()) {
    const boxes = [...new Set([...own].flatMap((chain) => annotation.boxes.get(chain) ?? []))];
    yield { id: `${id}-${place}`, record: { phrase, boxes } };
  }
}

function segmentsOf({ line, number }: Line, { id, scan }: { id: string; scan: RowScan }): Segment[] | undefined {
  const segments = parseSentence(line);
  if (segments === undefined) scan.reject('damaged sentence', `Sentences/${id}.txt, line ${number}`);
  return segments;
}

function partOf({ text, chain }: Segment, { boxes }: Annotation): Part {
  const own = chain === undefined ? undefined : boxes.get(chain);
  return own === undefined ? [text] : [text, [...own]];
}

/** Rows of a file of finished strings: `{image_id, grounded_caption}`, `{image_id, caption, output}` or `{image_id, phrase, bbox}`. */
export async function* finishedRows(
  path: string,
  request: FlickrRequest,
  scan: RowScan,
): AsyncIterable<SourceRow<FlickrRecord>> {
  let place = -1;
  for await (const item of jsonArrayItems(path)) {
    place++;
    const row = recordOf(item) ?? {};
    const where = `${path}, item ${place}`;
    const record = finishedRecord(row, request);
    if (record === undefined) scan.reject('another form', where);
    else if (!wellFormed(record.answer)) scan.reject('no well-formed boxes', `${where}: ${record.answer.slice(0, 80)}`);
    else {
      const image = request.photos.take({ names: [`${row['image_id']}.jpg`], where });
      if (image !== undefined) yield { id: String(place), image, record };
    }
  }
}

function finishedRecord(
  row: Readonly<Record<string, unknown>>,
  { task, from }: FlickrRequest,
): { question?: string; answer: string } | undefined {
  const { grounded_caption: grounded, caption, output, phrase, bbox } = row;
  if (task === 'grounding') return isText(grounded) ? { answer: grounded.trim() } : undefined;
  if (from === 'caption') {
    return isText(caption) && isText(output) ? { question: caption.trim(), answer: output.trim() } : undefined;
  }
  if (!(isText(phrase) && isText(bbox))) return undefined;
  return { question: phrase.trim(), answer: `<p>${phrase.trim()}</p> ${bbox.trim()}` };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** Whether a text has phrases with boxes, and nothing that looks like a box but is none. */
function wellFormed(answer: string): boolean {
  const boxes = parsePhrases(answer).reduce((sum, phrase) => sum + phrase.boxes.length, 0);
  return boxes > 0 && answer.split('{').length - 1 === boxes;
}
