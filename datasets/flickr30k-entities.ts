/** The two files of an image in Flickr30k Entities: sentences with marked phrases, and boxes for the chains that the phrases name. */

import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { type Box, clipBox, fromPixels, type ImageSize } from '../lib/data/boxes.ts';
import { stripText } from '../lib/data/text-clean.ts';
import { recordOf } from './annotation-files.ts';

/** A stretch of a sentence. `chain` names the objects it speaks of: phrases of one chain mean the same. */
export interface Segment {
  readonly text: string;
  readonly chain?: string;
}

/** Words that stand for something outside the picture belong to this chain; it never has boxes. */
const NOT_VISUAL = '0';
const PHRASE = /\[\/EN#(\d+)(?:\/[^\s\]]+)? ([^[\]]+)\]/g;

/**
 * One line of `Sentences/ID.txt`, such as `[/EN#1/people A man] reads .`
 * @returns its stretches in order, or undefined when a mark is damaged
 */
export function parseSentence(line: string): Segment[] | undefined {
  const segments: Segment[] = [];
  let at = 0;
  for (const match of line.matchAll(PHRASE)) {
    segments.push({ text: line.slice(at, match.index) });
    const [whole, chain = '', text = ''] = match;
    segments.push(chain === NOT_VISUAL ? { text } : { text: text.trim(), chain });
    at = match.index + whole.length;
  }
  segments.push({ text: line.slice(at) });
  if (segments.some(({ text }) => /\[\/EN#|<\/?p>|\{</.test(text))) return undefined;
  return segments.filter(({ text }) => text !== '');
}

/** The sentences are published as tokens with spaces between; punctuation goes back to its word. */
export function joinTokens(text: string): string {
  const joined = text.replace(/ +([.,;:!?])/g, '$1').replace(/ +('s|n't)\b/g, '$1');
  return stripText(joined.replace(/ {2,}/g, ' '));
}

/** What `Annotations/ID.xml` says. */
export interface Annotation {
  readonly size: ImageSize;
  /** Boxes of each chain that has any, in file order. */
  readonly boxes: ReadonlyMap<string, readonly Box[]>;
  /** Boxes without area inside the image; they are left out. */
  readonly degenerate: number;
}

const parser = new XMLParser({
  parseTagValue: false,
  isArray: (name) => name === 'object' || name === 'name' || name === 'bndbox',
});

/**
 * Reads an annotation. An object may belong to several chains (the publisher's own reader takes the first only); objects
 * marked `nobndbox` or `scene` have no box. Corners count pixels from 1 and are part of the box.
 * @returns undefined for text of another form
 */
export function parseAnnotation(xml: string): Annotation | undefined {
  const annotation = field(parse(xml), 'annotation');
  const size = { width: Number(field(field(annotation, 'size'), 'width')), height: 0 };
  size.height = Number(field(field(annotation, 'size'), 'height'));
  if (!(size.width > 0 && size.height > 0)) return undefined;
  const boxes = new Map<string, Box[]>();
  let degenerate = 0;
  for (const object of listOf(field(annotation, 'object'))) {
    for (const corners of listOf(field(object, 'bndbox'))) {
      const box = boxOf(corners, size);
      if (box === undefined) degenerate++;
      else for (const chain of listOf(field(object, 'name'))) add(boxes, String(chain).trim(), box);
    }
  }
  return { size, boxes, degenerate };
}

function parse(xml: string): unknown {
  try {
    // The parser itself takes a file that was cut short.
    return XMLValidator.validate(xml) === true ? parser.parse(xml) : undefined;
  } catch {
    return undefined;
  }
}

function boxOf(corners: unknown, size: ImageSize): Box | undefined {
  const [x1, y1, x2, y2] = ['xmin', 'ymin', 'xmax', 'ymax'].map((key) => Number(field(corners, key) ?? Number.NaN)) as [
    number,
    number,
    number,
    number,
  ];
  return [x1, y1, x2, y2].every(Number.isFinite) ? clipBox(fromPixels([x1 - 1, y1 - 1, x2, y2], size)) : undefined;
}

function add(boxes: Map<string, Box[]>, chain: string, box: Box): void {
  const own = boxes.get(chain) ?? [];
  own.push(box);
  boxes.set(chain, own);
}

function field(value: unknown, key: string): unknown {
  return recordOf(value)?.[key];
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
